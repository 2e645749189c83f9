package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/verify"
)

// judgingOptions are what verify, record and reduce have in common: how runtimes are set up, what they are given, and what the
// reference may take.
type judgingOptions struct {
	seed     uint64
	profile  string
	sound    bool
	timeout  time.Duration
	budget   byteSize
	settings runtimeOptions
	given    givenOptions
}

func (o *judgingOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "seed for the inputs of models without recorded ones")
	f.StringVar(&o.profile, "arithmetic", "float32", "arithmetic that the runtimes are expected to compute in: "+strings.Join(profileNames(), ", ")+"; "+reference.Flush+" after a name flushes subnormals to zero")
	f.BoolVar(&o.sound, "sound", false, "follow sound limits through the whole model, also where they are a thousand times as wide as the screen: slower, and says of more errors that they are certain")
	patienceVar(f, &o.timeout, "timeout", 2*time.Minute, "time limit of each call of a runtime, and of each evaluation by the reference")
	o.budget = 2 << 30
	f.Var(&o.budget, "budget", "memory limit for the values that the reference holds at the same time")
	o.settings.sessionFlags(f)
	o.settings.placeFlags(f)
	o.given.flags(f)
	mustComplete(cmd, "arithmetic", completeProfiles)
}

// options are those of a verification, without the runtimes.
func (o *judgingOptions) options(paths ...string) (verify.Options, error) {
	v := verify.Options{Paths: paths, Seed: o.seed, Timeout: o.timeout, Reference: reference.Options{Memory: int64(o.budget) / 8, Sound: o.sound}}
	if err := o.settings.validate(); err != nil {
		return v, err
	}
	var err error
	if v.Given, err = o.given.given(); err != nil {
		return v, err
	}
	if v.Reference.Profile, err = reference.FindProfile(o.profile); err != nil {
		return v, fmt.Errorf("--arithmetic: %w", err)
	}
	return v, nil
}

func profileNames() []string {
	var names []string
	for _, p := range reference.Profiles() {
		names = append(names, p.Name)
	}
	return names
}

func completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var offers []string
	for _, p := range reference.Profiles() {
		offers = append(offers, p.Name+"\t"+p.Doc)
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}
