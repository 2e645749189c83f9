package train_test

import (
	"context"
	"fmt"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/train"
)

// A training is an iterator of events. A snapshot holds all that the next iteration depends on: the run goes on from it in
// another trainer as if it had not been stopped.
func Example() {
	m, err := models.Build("autoencoder", models.Options{Width: 16, Latent: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := dataset.Synthetic(1, 64, 1, 28, 28)
	if err != nil {
		fmt.Println(err)
		return
	}
	config := train.Config{Model: m, Data: set, Steps: 20, Batch: 8, Seed: 1, Adam: model.Adam{LR: 3e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}}
	first, err := train.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	for ev, err := range first.Steps(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if ev.Step == 10 {
			break
		}
	}
	s, err := first.Snapshot()
	if err != nil {
		fmt.Println(err)
		return
	}
	second, err := train.New(config)
	if err == nil {
		err = second.Restore(s)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	for ev, err := range second.Steps(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if ev.Step%10 == 0 {
			fmt.Println("step", ev.Step, ev.Metrics[0].Name, ev.Metrics[0].Value < 0.5)
		}
	}
	// Output: step 20 mae true
}
