package layer

import (
	"errors"
	"fmt"
)

// chain plans the parts one after another. Steps keep the names that they have in their own nets, so that the chain and
// its parts share their parameters.
func (n Net) chain() (*Plan, error) {
	p := &Plan{Net: n}
	last := -1 // the step that the next part continues
	for i, part := range n.Parts {
		q, err := part.Plan()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		if part.Class.Count > 0 {
			return nil, fmt.Errorf("%s: %s takes a class, which no part of a chain can", n.Name, part.Name)
		}
		if i == 0 {
			p.Net.Input = part.Input
		} else if err := p.fits(part, last); err != nil {
			return nil, err
		}
		base := len(p.Steps)
		for _, s := range q.Steps {
			from := make([]int, len(s.From))
			for k, j := range s.From {
				from[k] = shifted(j, base, last)
			}
			s.From = from
			if i < len(n.Parts)-1 {
				s.ONNX = s.Name // outputs of the last part alone are outputs of the chain
			}
			p.Steps = append(p.Steps, s)
		}
		p.Outputs = nil
		for _, j := range q.Outputs {
			p.Outputs = append(p.Outputs, base+j)
		}
		last = p.Outputs[0]
	}
	if len(p.Steps) == 0 {
		return nil, fmt.Errorf("%s: no layers", n.Name)
	}
	return p, nil
}

// fits says whether a part can continue the chain.
func (p *Plan) fits(part Net, last int) error {
	var problems []error
	if len(p.Outputs) > 1 {
		problems = append(problems, fmt.Errorf("%s: %s continues a net of %d outputs, want one", p.Net.Name, part.Name, len(p.Outputs)))
	}
	if got := p.Steps[last].Out; got.String() != part.Input.Shape.String() {
		problems = append(problems, fmt.Errorf("%s: %s takes %v, %s gives %v", p.Net.Name, part.Name, part.Input.Shape, p.Steps[last].Name, got))
	}
	return errors.Join(problems...)
}

// shifted is the index of a part's step in the chain; the part's input is what the part before gave.
func shifted(i, base, last int) int {
	if i < 0 {
		return last
	}
	return base + i
}
