package cli_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A cluster is Slurm on this machine, with all of its files in one folder.
type cluster struct {
	t   *testing.T
	dir string
}

// newCluster starts one node with a controller.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	witnesstest.Programs(t, "Slurm (Debian: slurm-wlm) and root", os.Geteuid() == 0, "slurmctld", "slurmd", "munged", "sbatch", "scontrol", "squeue")
	dir, err := os.MkdirTemp("/tmp", "petrify-slurm-") // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &cluster{t, dir}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	for _, name := range []string{"state", "spool", "munge"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.write("munge/key", strings.Repeat("k", 64))
	c.write("slurm.conf", fmt.Sprintf(`ClusterName=petrify
SlurmctldHost=%[2]s(127.0.0.1)
SlurmctldPort=%[3]d
SlurmdPort=%[4]d
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=%[1]s/munge/socket
CredType=cred/munge
StateSaveLocation=%[1]s/state
SlurmdSpoolDir=%[1]s/spool
SlurmctldPidFile=%[1]s/slurmctld.pid
SlurmdPidFile=%[1]s/slurmd.pid
SlurmctldLogFile=%[1]s/slurmctld.log
SlurmdLogFile=%[1]s/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
KillWait=1
CompleteWait=0
NodeName=%[2]s NodeAddr=127.0.0.1 CPUs=%[5]d State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`, dir, host, freePort(t), freePort(t), 2*runtime.NumCPU()))
	c.start("munged", "--foreground", "--force", "--key-file="+dir+"/munge/key", "--socket="+dir+"/munge/socket", "--pid-file="+dir+"/munge/pid", "--log-file="+dir+"/munge/log", "--seed-file="+dir+"/munge/seed")
	c.until("munge's socket", func() bool { _, err := os.Stat(dir + "/munge/socket"); return err == nil })
	c.start("slurmctld", "-D", "-i", "-f", dir+"/slurm.conf")
	c.start("slurmd", "-D", "-f", dir+"/slurm.conf", "-N", host)
	c.until("the node", func() bool { return strings.Contains(c.ask("sinfo", "-h", "-o", "%T"), "idle") })
	return c
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (c *cluster) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// start starts a daemon that the test ends.
func (c *cluster) start(name string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = c.env()
	log, err := os.Create(filepath.Join(c.dir, name+".out"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		done := make(chan struct{})
		go func() { cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			cmd.Process.Kill()
			<-done
		}
	})
}

func (c *cluster) env() []string { return append(os.Environ(), "SLURM_CONF="+c.dir+"/slurm.conf") }

// ask runs a command of Slurm; what goes wrong while the cluster starts is not an answer.
func (c *cluster) ask(name string, args ...string) string {
	cmd := exec.Command(name, args...)
	cmd.Env = c.env()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s: %v", out, err)
	}
	return strings.TrimSpace(string(out))
}

// until waits for something.
func (c *cluster) until(what string, holds func() bool) {
	c.t.Helper()
	for end := time.Now().Add(60 * time.Second); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			var logs strings.Builder
			for _, name := range []string{"munged.out", "slurmctld.log", "slurmd.log", "slurmctld.out", "slurmd.out"} {
				b, _ := os.ReadFile(filepath.Join(c.dir, name))
				fmt.Fprintf(&logs, "%s:\n%s\n", name, b[max(0, len(b)-2000):])
			}
			c.t.Fatalf("%s does not come\n%s%s", what, c.ask("squeue"), &logs)
		}
	}
}

// writeAdds writes a model that adds a number of its own.
func writeAdds(t *testing.T, path string, number float32) {
	t.Helper()
	value := func(name string) *pb.ValueInfoProto {
		return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(1)}}.Proto()}
	}
	b, err := onnx.Marshal(&pb.ModelProto{
		IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(13)}},
		Graph: &pb.GraphProto{
			Name: proto.String("g"), Input: []*pb.ValueInfoProto{value("x")}, Output: []*pb.ValueInfoProto{value("y")},
			Initializer: []*pb.TensorProto{{Name: proto.String("w"), DataType: proto.Int32(1), Dims: []int64{1}, FloatData: []float32{number}}},
			Node:        []*pb.NodeProto{{OpType: proto.String("Add"), Input: []string{"x", "w"}, Output: []string{"y"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestSlurm judges 200 models by deploy/slurm/gate.sbatch, on a cluster that this machine is. One task is killed half-way.
func TestSlurm(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	const models, tasks, victim = 200, 4, 2
	c := newCluster(t)
	petrify := filepath.Join(c.dir, "petrify")
	if out, err := exec.Command("go", "build", "-o", petrify, "../../cmd/petrify").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	work := filepath.Join(c.dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	var manifest strings.Builder
	for i := range models {
		writeAdds(t, filepath.Join(work, fmt.Sprintf("%d.onnx", i)), float32(i))
		fmt.Fprintf(&manifest, "%d.onnx\n", i)
	}
	c.write("work/17.onnx", "no model")
	c.write("work/models.txt", manifest.String())
	c.write("work/petrify.yaml", "version: 1\nmodels: [.]\nruntimes: {require: [load]}\n")
	results := filepath.Join(c.dir, "results")

	// A program before petrify kills the victim in its first run, when it has done some of its models.
	log := filepath.Join(c.dir, "runs")
	c.write("wrapped", fmt.Sprintf(`#!/bin/bash
echo "$SLURM_ARRAY_TASK_ID ${SLURM_RESTART_COUNT:-0} $(ls %[3]s 2>/dev/null | grep -c json$)" >>%[1]s
if [ "$SLURM_ARRAY_TASK_ID" = %[4]d ] && [ "${SLURM_RESTART_COUNT:-0}" = 0 ]; then
	head -n 90 "$5" >"$5.half" # a part of the list alone, and then it dies
	%[2]s "${@:1:4}" "$5.half" "${@:6}" >/dev/null
	kill -9 $$
fi
exec %[2]s "$@"
`, log, petrify, results, victim))
	if err := os.Chmod(filepath.Join(c.dir, "wrapped"), 0o755); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("../../deploy/slurm/gate.sbatch")
	if err != nil {
		t.Fatal(err)
	}
	sbatch := exec.Command("sbatch", "--parsable", fmt.Sprintf("--array=0-%d", tasks-1), "--cpus-per-task=1", "--mem=0", script, "models.txt", results)
	sbatch.Dir, sbatch.Env = work, append(c.env(), "PETRIFY="+filepath.Join(c.dir, "wrapped"))
	out, err := sbatch.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	job := strings.TrimSpace(string(out))
	// A job that is queued again may not begin for two minutes, unless it is told to; and not within the second that ended its first run,
	// whose credential is revoked to the second.
	told := false
	c.until("the end of the array", func() bool {
		for line := range strings.Lines(c.ask("squeue", "-h", "-o", "%T %r %i")) {
			if f := strings.Fields(line); len(f) == 3 && f[1] == "BeginTime" && !told {
				c.ask("scontrol", "update", "JobId="+f[2], "StartTime=now+3")
				told = true
			}
		}
		return c.ask("squeue", "-h") == ""
	})
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	runs := strings.Fields(strings.ReplaceAll(string(b), "\n", " "))
	if len(runs) != 3*(tasks+1) || !strings.Contains(string(b), fmt.Sprintf("%d 1 ", victim)) {
		t.Errorf("the runs (task, restarts, results until then) were\n%swant %d, task %d twice; job %s", b, tasks+1, victim, job)
		outputs, _ := filepath.Glob(filepath.Join(work, "slurm-*.out"))
		for _, name := range append(outputs, filepath.Join(c.dir, "slurmctld.log")) {
			b, _ := os.ReadFile(name)
			t.Logf("%s:\n%s", filepath.Base(name), b[max(0, len(b)-2000):])
		}
	}
	entries, err := os.ReadDir(results)
	if err != nil || len(entries) != models {
		t.Errorf("%d results, %v, want %d", len(entries), err, models)
	}
	report := exec.Command(petrify, "report", results, "--manifest", "models.txt", "--format", "json")
	report.Dir = work
	out, err = report.Output()
	var r struct {
		Summary struct{ Files, Passed, Findings, Problems int } `json:"summary"`
		Code    int                                             `json:"exit_code"`
	}
	if json.Unmarshal(out, &r) != nil || r.Summary.Files != models || r.Summary.Findings != 1 || r.Summary.Passed != models-1 || r.Code != 1 {
		t.Errorf("the report says %+v, %v, want %d files and one with a finding\n%.500s", r, err, models, out)
	}
}
