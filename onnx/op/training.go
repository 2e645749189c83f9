package op

func training() map[string]Rule {
	return map[string]Rule{
		"Adagrad":  ruleOptimizer,
		"Adam":     ruleOptimizer,
		"Momentum": ruleOptimizer,
	}
}

// inferOptimizer is for the training operators: the new values of parameters
// and of their states are like the old ones. Inputs are R, T, then for all
// parameters X, G and each state; outputs X and each state.
func ruleOptimizer(n *Node) {
	states := map[string]int{"Adagrad": 1, "Momentum": 1, "Adam": 2}[n.Name]
	each := len(n.out) / (1 + states)
	if each == 0 || len(n.out) != each*(1+states) || len(n.in) != 2+each*(2+states) {
		n.wrong("input-count", "%d inputs and %d outputs, want 2 and %d per parameter, and %d per parameter", len(n.in), len(n.out), 2+states, 1+states)
		return
	}
	for i := range each {
		if d := n.dims(2 + i); d != nil {
			for state := 1; state < 2+states; state++ { // the gradient, and what is kept
				n.like(2+state*each+i, d...)
			}
		}
	}
	for i := range n.out {
		from := 2 + i
		if i >= each {
			from += each // past the gradients
		}
		v := n.arg(from)
		v.Ints, v.Data = nil, nil
		n.out[i] = v
	}
}
