package cli

import (
	"strings"
	"testing"
)

func TestShardsFromTheEnvironment(t *testing.T) {
	array := func(id, least, most, step, count string) map[string]string {
		return map[string]string{"SLURM_ARRAY_TASK_ID": id, "SLURM_ARRAY_TASK_MIN": least, "SLURM_ARRAY_TASK_MAX": most, "SLURM_ARRAY_TASK_STEP": step, "SLURM_ARRAY_TASK_COUNT": count}
	}
	for _, tt := range []struct {
		text         string
		env          map[string]string
		shard, parts int
		err          string
	}{
		{"", nil, 0, 0, ""},
		{"3/16", nil, 3, 16, ""},
		{"/16", map[string]string{"JOB_COMPLETION_INDEX": "15"}, 15, 16, ""},
		{"/16", map[string]string{"SLURM_ARRAY_TASK_ID": "16"}, 0, 0, "want I/N with I from 0"},
		{"/16", nil, 0, 0, "neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set"},
		{"auto", nil, 0, 0, "neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set"},
		{"auto", map[string]string{"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "5"}, 2, 5, ""},
		{"auto", map[string]string{"JOB_COMPLETION_INDEX": "2"}, 0, 0, "JOB_COMPLETIONS is not"},
		{"auto", array("0", "0", "7", "1", "8"), 0, 8, ""},
		{"auto", array("16", "1", "16", "1", "16"), 15, 16, ""},
		{"auto", array("20", "10", "30", "10", "3"), 1, 3, ""},
		{"auto", array("7", "3", "7", "1", "2"), 0, 0, "with gaps"},
		{"auto", array("x", "0", "7", "1", "8"), 0, 0, `SLURM_ARRAY_TASK_ID is "x", want a number`},
		{"2/2", nil, 0, 0, "want I/N"},
		{"5", nil, 0, 0, "want I/N"},
	} {
		shard, parts, err := parseShard(tt.text, func(name string) string { return tt.env[name] })
		if tt.err == "" && (err != nil || shard != tt.shard || parts != tt.parts) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q with %v: %d of %d, %v, want %d of %d, %q", tt.text, tt.env, shard, parts, err, tt.shard, tt.parts, tt.err)
		}
	}
}
