// Package fleet has the tests of what is deployed.
package fleet

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestTheJob reads deploy/kubernetes/gate.yaml as Kubernetes does, by its own types, and strictly.
func TestTheJob(t *testing.T) {
	b, err := os.ReadFile("../deploy/kubernetes/gate.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parts := bytes.Split(b, []byte("\n---\n"))
	if len(parts) != 2 {
		t.Fatalf("%d documents, want a ConfigMap and a Job", len(parts))
	}
	var config corev1.ConfigMap
	var job batchv1.Job
	for i, into := range []any{&config, &job} {
		if err := yaml.UnmarshalStrict(parts[i], into); err != nil {
			t.Fatalf("document %d: %v", i+1, err)
		}
	}
	if config.Kind != "ConfigMap" || job.Kind != "Job" || job.APIVersion != "batch/v1" {
		t.Fatalf("the documents are a %s and a %s of %s", config.Kind, job.Kind, job.APIVersion)
	}
	s, pod := job.Spec, job.Spec.Template.Spec
	if *s.CompletionMode != batchv1.IndexedCompletion || pod.RestartPolicy != corev1.RestartPolicyNever || s.BackoffLimitPerIndex == nil {
		t.Error("rules of failed pods want an indexed Job, a limit for each index, and pods that are not restarted")
	}
	if job.Labels["kueue.x-k8s.io/queue-name"] == "" {
		t.Error("Kueue's label is missing")
	}
	c := pod.Containers[0]
	said := ""
	for _, e := range c.Env {
		if e.Name == "JOB_COMPLETIONS" {
			said = e.Value
		}
	}
	if want := strconv.Itoa(int(*s.Completions)); said != want {
		t.Errorf("JOB_COMPLETIONS is %s, want the Job's %s", said, want)
	}
	actions := map[int32]batchv1.PodFailurePolicyAction{}
	for _, r := range s.PodFailurePolicy.Rules {
		if r.OnExitCodes == nil {
			continue
		}
		if *r.OnExitCodes.ContainerName != c.Name || !slices.IsSorted(r.OnExitCodes.Values) { // the server wants both
			t.Errorf("rule %+v is of container %s, or not in order", r.OnExitCodes, *r.OnExitCodes.ContainerName)
		}
		for _, v := range r.OnExitCodes.Values {
			actions[v] = r.Action
		}
	}
	for code, want := range map[int32]batchv1.PodFailurePolicyAction{1: batchv1.PodFailurePolicyActionFailIndex, 2: batchv1.PodFailurePolicyActionFailIndex, 137: batchv1.PodFailurePolicyActionCount} {
		if actions[code] != want {
			t.Errorf("exit code %d is %q, want %s", code, actions[code], want)
		}
	}
	volumes := map[string]corev1.Volume{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v
	}
	for _, m := range c.VolumeMounts {
		if _, ok := volumes[m.Name]; !ok {
			t.Errorf("no volume is called %s", m.Name)
		}
	}
	if volumes["gate"].ConfigMap.Name != config.Name || config.Data["petrify.yaml"] == "" || config.Data["models.txt"] == "" {
		t.Error("the policy and the list are not in the ConfigMap that is mounted")
	}
	if args := strings.Join(c.Args, " "); !strings.HasPrefix(args, "gate ") || !strings.Contains(args, "--shard=auto") {
		t.Errorf("the arguments are %s", args)
	}
}
