package infer

import "strings"

// HasRule reports whether inference has a rule for an operator, named as in
// "Relu" or "ai.onnx.ml.Scaler".
func HasRule(name string) bool {
	domain := ""
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		domain, name = name[:i], name[i+1:]
	}
	return inferRules()[key{domain, name}] != nil
}
