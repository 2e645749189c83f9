package verify

import (
	"context"
	"sync"
)

// Run verifies all models at the paths. It returns an error only if the options are wrong or ctx
// ends; everything that it finds out about a model is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	report := &Report{named: o.Named}
	var jobs []*job
	probes := &probes{done: map[string]probed{}}
	for _, path := range o.Paths {
		for _, source := range findModels(path) {
			jobs = append(jobs, &job{options: o, source: source, probes: probes, report: &ModelReport{Path: source.model}})
		}
	}
	progress := newProgress(o.Progress, len(jobs))
	var wg sync.WaitGroup
	slots := make(chan struct{}, o.Parallel)
	for _, j := range jobs {
		j.progress = progress
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			j.run(ctx)
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		report.Models = append(report.Models, j.report)
	}
	report.summarize()
	return report, nil
}
