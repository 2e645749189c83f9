package train

import (
	"fmt"

	"github.com/petrify-ml/petrify/internal/memory"
)

// Memory estimates the peak memory of a run in bytes, which occurs while a snapshot is written. It is meant to tell runs
// that fit a machine from those that do not, and is accurate to about a factor of two.
func (c Config) Memory() (float64, error) {
	const element = 4 // bytes
	// A parameter, its gradient, two moments; the copy of three of them in a snapshot, and that in the file being made.
	const copies = 4 + 3 + 3
	var params, values float64
	for _, n := range c.Model.Nets {
		plan, err := n.Plan()
		if err != nil {
			return 0, err
		}
		for q := range plan.Params() {
			params += size(q.Shape)
		}
		values += size(plan.Net.Input.Shape) + size(plan.Net.Class.Shape())
		for _, s := range plan.Steps {
			values += size(s.Out)
		}
	}
	return element * (copies*params + valuesHeld*values*float64(c.Batch)), nil
}

// valuesHeld is how often a value of the nets is in memory, on average of the objectives: itself and its gradient.
const valuesHeld = 2

func size(s []int) float64 {
	n := 1.0
	for _, d := range s {
		n *= float64(d)
	}
	return n
}

// machineMemory is what there is; tests pretend.
var machineMemory = memory.Total

// checkMemory refuses what no amount of waiting will make fit: the process would be killed, or take the machine along.
func (c Config) checkMemory() error {
	needs, err := c.Memory()
	if err != nil {
		return err
	}
	if have := machineMemory(); needs > have {
		return fmt.Errorf("%s with batch %d needs about %s of memory, and there are %s: want a smaller batch, fewer or narrower layers, or smaller images",
			c.Model.Name, c.Batch, memory.Text(needs), memory.Text(have))
	}
	return nil
}
