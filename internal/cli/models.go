package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
)

type modelsOptions struct {
	streams *Streams
	name    string
	json    bool
}

func newModelsCmd(s *Streams, run func(context.Context, modelsOptions) error) *cobra.Command {
	o := modelsOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "models [NAME]",
		Short: "List the architectures, or show one layer by layer",
		Example: `  petrify models
  petrify models gan
  petrify models gan --json`,
		Args: arguments(0, 1, "one model at most"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.name = args[0]
			}
			return run(cmd.Context(), o)
		},
		ValidArgsFunction: completeModels,
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "write JSON")
	return cmd
}

// completeModels offers the names of the models to the shell.
func completeModels(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, m := range models.All() {
		names = append(names, m.Name+"\t"+m.Title)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// A modelInfo is a model as `petrify models --json` shows it.
type modelInfo struct {
	Name       string    `json:"name"`
	Title      string    `json:"title"`
	Doc        string    `json:"doc"`
	Source     string    `json:"source"`
	Steps      int       `json:"steps"`
	Batch      int       `json:"batch"`
	Parameters int       `json:"parameters"`
	Nets       []netInfo `json:"nets"`
}

type netInfo struct {
	Name       string      `json:"name"`
	Doc        string      `json:"doc"`
	Input      layerInfo   `json:"input"`
	Class      *classInfo  `json:"class,omitempty"`
	Layers     []layerInfo `json:"layers"`
	Parameters int         `json:"parameters"`
}

// classInfo is the second input of a conditional net.
type classInfo struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

type layerInfo struct {
	Name       string `json:"name"`
	Layer      string `json:"layer,omitempty"`
	Shape      []int  `json:"shape"`
	Parameters int    `json:"parameters"`
}

func describeModel(m model.Model) (modelInfo, error) {
	info := modelInfo{Name: m.Name, Title: m.Title, Doc: m.Doc, Source: m.Source, Steps: m.Recipe.Steps, Batch: m.Recipe.Batch}
	for _, n := range m.Nets {
		p, err := n.Plan()
		if err != nil {
			return info, err
		}
		net := netInfo{Name: n.Name, Doc: n.Doc, Input: layerInfo{Name: n.Input.Name, Shape: n.Input.Shape}, Parameters: p.ParamCount()}
		if n.Class.Count > 0 {
			net.Class = &classInfo{n.Class.Name, n.Class.Count}
		}
		for _, s := range p.Steps {
			l := layerInfo{Name: s.Name, Layer: layer.Describe(s.Layer), Shape: s.Out}
			for _, q := range s.Params {
				l.Parameters += q.Shape.Len()
			}
			net.Layers = append(net.Layers, l)
		}
		info.Parameters += net.Parameters
		info.Nets = append(info.Nets, net)
	}
	return info, nil
}

func runModels(_ context.Context, o modelsOptions) error {
	list := models.All()
	if o.name != "" {
		m, err := models.Find(o.name)
		if err != nil {
			return err
		}
		list = []model.Model{m}
	}
	var infos []modelInfo
	for _, m := range list {
		info, err := describeModel(m)
		if err != nil {
			return err
		}
		infos = append(infos, info)
	}
	if o.json {
		return writeJSON(o.streams.Out, infos)
	}
	w := tabwriter.NewWriter(o.streams.Out, 0, 0, 2, ' ', 0)
	if o.name == "" {
		fmt.Fprintln(w, "MODEL\tTITLE\tPARAMETERS\tSTEPS\tBATCH")
		for _, m := range infos {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", m.Name, m.Title, m.Parameters, m.Steps, m.Batch)
		}
		return w.Flush()
	}
	m := infos[0]
	fmt.Fprintf(w, "%s: %s\n%s\nSource: %s\nTrained by default for %d steps of batch %d.\n", m.Name, m.Title, m.Doc, m.Source, m.Steps, m.Batch)
	for _, n := range m.Nets {
		fmt.Fprintf(w, "\n%s: %s; %d parameters\n", n.Name, n.Doc, n.Parameters)
		fmt.Fprintf(w, "  NAME\tLAYER\tSHAPE\tPARAMETERS\n")
		fmt.Fprintf(w, "  %s\t%s\tN x %v\t\n", n.Input.Name, "input", layer.Shape(n.Input.Shape))
		if n.Class != nil {
			fmt.Fprintf(w, "  %s\t%s\tN, of %d\t\n", n.Class.Name, "class", n.Class.Count)
		}
		for _, l := range n.Layers {
			fmt.Fprintf(w, "  %s\t%s\tN x %v\t%d\n", l.Name, l.Layer, layer.Shape(l.Shape), l.Parameters)
		}
	}
	return w.Flush()
}
