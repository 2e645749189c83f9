package gate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/report"
)

// A measured model is what budgets are about.
type measured struct {
	bytes      int64
	summary    onnx.Summary
	run        infer.Result
	opsets     map[string]int64
	ir         int64
	properties map[string]string
	producer   string
}

func measure(m *onnx.Model) measured {
	x := measured{summary: onnx.Summarize(m.Proto), run: infer.Model(m.Proto, infer.Budget{}), opsets: map[string]int64{}, ir: m.Proto.GetIrVersion(), properties: map[string]string{}, producer: m.Proto.GetProducerName()}
	x.bytes = int64(len(m.Bytes))
	if m.External() { // the elements elsewhere, by their own count
		x.bytes += x.summary.Bytes
	}
	for _, i := range m.Proto.OpsetImport {
		x.opsets[onnx.Domain(i.GetDomain())] = i.GetVersion()
	}
	for _, p := range m.Proto.MetadataProps {
		x.properties[p.GetKey()] = p.GetValue()
	}
	return x
}

// keep adds a finding for everything that a model is beyond.
func (s *Settings) keep(f *report.File, x measured) {
	if b := s.Budgets; b != nil {
		for _, q := range []struct {
			code, what string
			most       Quantity
			has        int64
		}{
			{"budget-bytes", "bytes", b.Bytes, x.bytes},
			{"budget-parameters", "parameters", b.Parameters, x.summary.Parameters},
			{"budget-multiply-adds", "multiplications and additions a run", b.MultiplyAdds, x.run.Work},
			{"budget-activations", "bytes of values at the same time", b.Activations, x.run.Memory},
			{"budget-opset", "opset of ai.onnx", Quantity(b.Opset), x.opsets[""]},
			{"budget-ir", "IR version", Quantity(b.IR), x.ir},
		} {
			if q.most > 0 && q.has > int64(q.most) {
				f.AddRule(q.code, "", fmt.Sprintf("%s: %d, want at most %d", q.what, q.has, q.most))
			}
		}
	}
	for _, o := range x.summary.Operators {
		domain, name := o.Domain, o.Name
		if domain == "" {
			domain = "ai.onnx"
		} else {
			name = o.Domain + "." + o.Name
		}
		if s.Domains != nil && !slices.Contains(s.Domains, domain) {
			f.AddRule("domain-not-allowed", onnx.Quote(name), fmt.Sprintf("%d nodes of domain %s, want %s", o.Count, onnx.Quote(domain), strings.Join(s.Domains, ", ")))
		}
		if p := s.Operators; p != nil && (slices.Contains(p.Deny, name) || len(p.Allow) > 0 && !slices.Contains(p.Allow, name)) {
			f.AddRule("operator-not-allowed", onnx.Quote(name), fmt.Sprintf("%d nodes of an operator that the policy does not allow", o.Count))
		}
	}
	for _, key := range s.Metadata {
		if strings.TrimSpace(x.properties[key]) == "" {
			f.AddRule("metadata-missing", "", fmt.Sprintf("no metadata %q%s", key, x.has()))
		}
	}
	s.License.keep(f, x)
	for _, what := range s.Provenance {
		if p, ok := provenance(what); ok && !p.found(x) {
			f.AddRule("provenance-missing", what, fmt.Sprintf("%s: want %s%s", p.doc, p.places(), x.has()))
		}
	}
}
