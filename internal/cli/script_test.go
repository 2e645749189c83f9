package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/cli"
	"github.com/petrify-ml/petrify/witness/gorgonnx"
)

func TestMain(m *testing.M) {
	gorgonnx.Main()
	testscript.Main(m, map[string]func(){"petrify": func() { os.Exit(cli.Main()) }})
}

// The scripts run the program as a user does. Beside testscript's own commands they have those below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NODE_PATH", os.Getenv("NODE_PATH"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":  exits,
			"idx":    writeIDX,
			"png":    writePNG,
			"flip":   flip,
			"cut":    cut,
			"stops":  stops,
			"differ": differ,
			"edit":   edit,
			"model":  writeModel,
			"key":    writeKey,

			"waitfor": waitFor,
		},
	})
}

// key CURVE PRIVATE PUBLIC writes a new pair of keys in PEM.
func writeKey(ts *testscript.TestScript, _ bool, args []string) {
	curve := map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384()}[args[0]]
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(k)
	ts.Check(err)
	public, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644))
}

// exits CODE COMMAND ARG... runs a command that must end with the code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want := number(ts, args[0])
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// idx DIR N writes a small data set of N images of 28x28 in MNIST's files.
func writeIDX(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(writeIDXFiles(ts.MkAbs(args[0]), number(ts, args[1])))
}

func writeSet(t *testing.T, dir string, n int) {
	t.Helper()
	if err := writeIDXFiles(dir, n); err != nil {
		t.Fatal(err)
	}
}

func writeIDXFiles(dir string, n int) error {
	set, err := dataset.Synthetic(1, n, 1, 28, 28)
	if err != nil {
		return err
	}
	problems := []error{os.MkdirAll(dir, 0o755)}
	header := func(magic uint32, dims ...int) []byte {
		b := binary.BigEndian.AppendUint32(nil, magic)
		for _, d := range dims {
			b = binary.BigEndian.AppendUint32(b, uint32(d))
		}
		return b
	}
	labels := header(0x801, set.N)
	for _, l := range set.Labels {
		labels = append(labels, byte(l))
	}
	for _, split := range []string{"train", "t10k"} {
		problems = append(problems,
			os.WriteFile(filepath.Join(dir, split+"-images-idx3-ubyte"), append(header(0x803, set.N, set.H, set.W), set.Pixels...), 0o644),
			os.WriteFile(filepath.Join(dir, split+"-labels-idx1-ubyte"), labels, 0o644))
	}
	return errors.Join(problems...)
}

// png DIR N writes N small images in colour.
func writePNG(ts *testscript.TestScript, _ bool, args []string) {
	const height, width = 24, 20
	set, err := dataset.Synthetic(1, number(ts, args[1]), 3, height, width)
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	for i := range set.N {
		img, from := image.NewNRGBA(image.Rect(0, 0, width, height)), set.Image(i)
		for k := range height * width {
			img.Set(k%width, k/width, color.NRGBA{from[k], from[height*width+k], from[2*height*width+k], 0xff})
		}
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)+".png"))
		ts.Check(err)
		ts.Check(errors.Join(png.Encode(f, img), f.Close()))
	}
}

// flip FILE OFFSET changes one bit. A negative offset counts from the end.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	path, at := ts.MkAbs(args[0]), number(ts, args[1])
	b, err := os.ReadFile(path)
	ts.Check(err)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 1
	ts.Check(os.WriteFile(path, b, 0o644))
}

// cut FILE N keeps the first N bytes. A negative N cuts that many off.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	path, n := ts.MkAbs(args[0]), number(ts, args[1])
	info, err := os.Stat(path)
	ts.Check(err)
	if n < 0 {
		n += int(info.Size())
	}
	ts.Check(os.Truncate(path, int64(n)))
}

// stops SIGNAL CODE FILE COMMAND ARG... starts a command, sends it the signal (INT, TERM, HUP) when the file has appeared, and
// wants it to end with the code. What it said on stderr is left in the file "stopped".
func stops(ts *testscript.TestScript, _ bool, args []string) {
	sent := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[0]]
	want, file := number(ts, args[1]), ts.MkAbs(args[2])
	cmd := exec.Command(args[3], args[4:]...)
	cmd.Dir = ts.MkAbs(".")
	var said strings.Builder
	cmd.Stderr = &said
	// Under nohup the tests ignore SIGHUP, and so would what they start; not what is caught here.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, sent)
	defer signal.Stop(caught)
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			break
		}
		if len(ended) > 0 || time.Now().After(deadline) {
			cmd.Process.Kill()
			ts.Fatalf("%s did not appear: %s", args[2], &said)
		}
	}
	ts.Check(cmd.Process.Signal(sent))
	select {
	case <-ended:
	case <-time.After(time.Minute):
		cmd.Process.Kill()
		ts.Fatalf("still there a minute after the signal")
	}
	ts.Check(os.WriteFile(ts.MkAbs("stopped"), []byte(said.String()), 0o644))
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d, want %d: %s", got, want, &said)
	}
}

// waitfor FILE waits until it exists.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not appear", args[0])
		}
	}
}

// edit FILE OLD NEW replaces a text that the file holds once.
func edit(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	if n := strings.Count(string(b), args[1]); n != 1 {
		ts.Fatalf("%s holds %q %d times, want once", args[0], args[1], n)
	}
	ts.Check(os.WriteFile(path, []byte(strings.Replace(string(b), args[1], args[2], 1)), 0o644))
}

// differ A B demands that two files have other bytes.
func differ(ts *testscript.TestScript, _ bool, args []string) {
	a, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	if string(a) == string(b) {
		ts.Fatalf("%s are the same", strings.Join(args, " and "))
	}
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}
