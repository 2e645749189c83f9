// Package rule is what can be found wrong with a model: the rules, each under a
// stable code, and the findings that break them.
//
// A finding says where in the model it is, what was wanted and what came. Names
// out of the model are quoted. The rooms that look at models, wire at the files
// of external data, check and infer at the model itself, collect what they find
// in a Findings, and need not know of each other.
package rule

// Severity says how much a finding matters.
type Severity int

const (
	Error   Severity = iota // the model breaks a rule of ONNX
	Warning                 // it is likely to fail, or to do what nobody meant
	Info                    // worth knowing
)

func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "info"
}

// A Finding is one thing to be said about a model.
type Finding struct {
	Severity Severity
	Code     string // of one of Rules
	Where    string // such as `node "fc1" (MatMul)`; names are quoted
	Message  string // what was wanted, what came
}

func (f Finding) String() string {
	return f.Severity.String() + ": " + f.Where + ": " + f.Code + ": " + f.Message
}

// A Rule is what one code stands for. Codes do not change; where ONNX's own
// checker has a code for the same rule, it is that one.
type Rule struct {
	Code     string
	Severity Severity
	Doc      string
	Example  string // of what breaks it
	Repair   string // what to do then
}

// All returns all rules, in the order of the documents.
func All() []Rule { return described }

// described are the rules with what to do about them.
var described = func() []Rule {
	list := make([]Rule, len(rules))
	for i, r := range rules {
		list[i] = Rule{r.code, r.severity, r.doc, advice[r.code].example, advice[r.code].repair}
	}
	return list
}()

var rules = []struct {
	code     string
	severity Severity
	doc      string
}{
	// The file.
	{"file-format", Error, "The file is a message of ONNX in protobuf's binary form, and nothing else."},

	// The model.
	{"ir-version-missing", Error, "A model says which IR version it is written in."},
	{"ir-version-unsupported", Error, "The IR version is one that exists, 1 to 14."},
	{"required-field-missing", Error, "A field that ONNX requires is there."},
	{"required-field-empty", Error, "A name that ONNX requires is not empty."},
	{"opset-import-missing", Error, "A model imports an operator set from IR version 3 on, and each domain whose operators it uses."},
	{"opset-import-duplicate", Error, "A domain is imported once; \"\" and \"ai.onnx\" are the same domain."},
	{"opset-import-unexpected", Error, "There are no opset imports before IR version 3."},
	{"opset-version-invalid", Error, "The version of an operator set is 1 to 2^31-1; readers take the low bits of larger ones."},
	{"opset-version-unknown", Warning, "The version of an operator set is not newer than the newest that this program knows; beyond it, operators are checked as of that one."},
	{"metadata-props-duplicate-key", Error, "No two metadata entries of one thing have the same key."},
	{"name-unprintable", Warning, "Names have no control characters."},
	{"nesting-too-deep", Error, "Graphs are nested 100 deep at most."},
	{"function-duplicate", Error, "A model defines a function once per domain, name and overload."},
	{"function-recursive", Error, "A function does not call itself, directly or through others."},
	{"function-parameter-duplicate", Error, "The inputs, outputs and attributes of a function have different names."},
	{"function-opset-mismatch", Error, "An operator that a function uses is the same in the opset of the function and in that of the model."},
	{"function-shadows-operator", Warning, "A function of the model does not have the domain and name of one of ONNX's operators; runtimes do not agree which one is meant."},
	{"function-attribute-missing", Warning, "A call gives each attribute of a function that has no default; without it, attributes that refer to it are left out."},
	{"device-configuration", Error, "A model's device configurations have names and numbers of devices; nodes refer to them, and shard values of their own along axes that exist."},
	{"function-ir-version", Error, "A model has functions of its own from IR version 8 on."},

	// Graphs.
	{"input-duplicate", Error, "No two inputs of a graph have the same name."},
	{"output-duplicate", Error, "No two outputs of a graph have the same name."},
	{"initializer-duplicate", Error, "No two initializers of a graph have the same name."},
	{"initializer-not-input", Error, "Before IR version 4 every initializer is an input too."},
	{"value-redefined", Error, "A value is defined once: it has one node as its source, or is an input or initializer, also across the graphs around a graph (SSA form)."},
	{"value-shadowed", Warning, "An input or initializer of a nested graph does not have the name of a value around it."},
	{"value-undefined", Error, "What a node reads is an input, an initializer, or the output of a node."},
	{"node-order", Error, "A node stands after the nodes whose outputs it reads. verify judges the model with its nodes in order, and says so."},
	{"graph-cycle", Error, "No node depends on its own output."},
	{"output-undefined", Error, "An output of a graph is the output of one of its nodes, an input or an initializer."},
	{"value-info-duplicate", Error, "The type of a value is declared once among a graph's value infos, or each time alike."},
	{"value-info-repeated", Warning, "The type of a value is declared once."},
	{"value-info-unknown", Info, "A value info describes a value that exists."},
	{"node-name-duplicate", Error, "No two nodes of a graph have the same name."},
	{"output-constant", Warning, "An output depends on an input, where the graph has inputs at all."},
	{"node-unused", Info, "Something reads an output of each node."},
	{"initializer-unused", Info, "Something reads each initializer."},
	{"quantization-annotation", Warning, "A quantization annotation is about a value that exists."},

	// Nodes.
	{"node-empty", Error, "A node has an input or an output."},
	{"operator-not-registered", Error, "The operator exists in its domain at the opset that the model imports."},
	{"operator-deprecated", Error, "The operator still exists at that opset."},
	{"operator-contributed", Error, "The operator is in the specification; a few in ONNX's domain are ONNX Runtime's alone. verify judges them all the same."},
	{"operator-undescribed", Warning, "The operator is described by the specification; those that were experimental in opset 1 are not, and few runtimes have them."},
	{"operator-unknown", Warning, "The operator is one that this program knows; it may be newer."},
	{"operator-custom-domain", Info, "The domain is one of ONNX's, or the operator is one that is known of com.microsoft; others cannot be checked."},
	{"input-count", Error, "A node has as many inputs as its operator takes."},
	{"output-count", Error, "A node has as many outputs as its operator gives."},
	{"input-missing", Error, "An input that the operator requires is not left out."},
	{"output-missing", Error, "An output that the operator requires is not left out."},
	{"attribute-unknown", Error, "The operator has the attribute."},
	{"attribute-missing", Error, "An attribute that the operator requires is there."},
	{"attribute-duplicate", Error, "A node has an attribute once."},
	{"attribute-type", Error, "The attribute has the type that the operator wants."},
	{"attribute-value", Error, "An attribute has one value, that of its type."},
	{"attribute-flag", Warning, "An attribute that switches something is 0 or 1; runtimes do not agree on other values."},
	{"either-or", Error, "Of inputs and attributes that exclude or need each other, such as scales and sizes of Resize, or pads and auto_pad, the right ones are given."},
	{"training-mode", Warning, "No node is in training mode, as a model exported for inference has none."},
	{"attribute-reference", Error, "An attribute refers to another one inside a function only, and to one that the function has."},

	// Tensors.
	{"tensor-data-type", Error, "The data type of a tensor is one of ONNX's."},
	{"data-type-requires-newer-ir-version", Error, "A data type is not newer than the model's IR version."},
	{"tensor-dims", Error, "No axis of a tensor is negative, and its number of elements fits 63 bits."},
	{"tensor-fields", Error, "The elements of a tensor are in one field, one that its data type allows."},
	{"tensor-length", Error, "A tensor has as many elements as its shape says."},
	{"tensor-range", Error, "The elements of a tensor are within the range of its data type."},
	{"tensor-segment", Error, "A tensor is whole."},
	{"tensor-external", Error, "External data has a location and no elements beside it, and its offset and length are numbers."},
	{"tensor-external-key", Error, "The keys of external data are location, offset, length, checksum and basepath, once each."},
	{"external-data-path", Error, "The location of external data is a plain relative path inside the folder of the model."},
	{"external-data", Warning, "The elements of all tensors are in the model itself."},
	{"external-data-file-missing", Error, "The file of external data is there and can be read."},
	{"external-data-link", Error, "The file of external data is a regular file inside the folder of the model, with one name, and not reached through a link."},
	{"external-data-range", Error, "The file of external data has the bytes at the offset that the tensor asks for."},
	{"external-data-checksum", Error, "The file of external data has the SHA-1 that the tensor names."},
	{"sparse-tensor", Error, "A sparse tensor has values of one axis, and for each one index in range, in ascending order."},
	{"weight-nan", Warning, "No weight is NaN."},
	{"weight-infinite", Warning, "No weight is infinite."},
	{"weight-subnormal", Info, "Few weights are subnormal: runtimes may take them for zero, or compute slowly."},

	// Types and shapes.
	{"type-invalid", Error, "The keys of a map type are integers or strings."},
	{"type-empty", Warning, "A type that is declared inside a graph says something."},
	{"dim-negative", Warning, "No dimension of a type is negative; runtimes take such a one for unknown, or fail."},
	{"type-mismatch", Error, "The inputs of a node have types that its operator takes together, its outputs those that it gives, and the branches of an If give the same."},
	{"shape-mismatch", Error, "The inputs of a node have shapes that its operator takes together."},
	{"attribute-range", Error, "An attribute, or an input that takes its place, has a value that the operator takes: one of the words that it knows, an axis that exists, a permutation, a positive stride."},
	{"declared-type-mismatch", Error, "A value has the type that is declared for it."},
	{"declared-shape-mismatch", Error, "A value has the shape that is declared for it."},
	{"value-too-large", Error, "No value has more elements than the budget allows (2^31 unless told otherwise), axes without a number counted as one."},
	{"memory-too-large", Error, "The values that one run holds at the same time, weights apart, fit the budget (64 GiB unless told otherwise), axes without a number counted as one."},
	{"work-too-large", Error, "One run takes no more multiplications and additions than the budget allows (2^50 unless told otherwise), axes without a number counted as one."},
	{"inference-budget", Error, "Types can be inferred within 2^22 steps, and graphs and calls of functions are 100 deep at most; beyond that a runtime that puts functions in their callers' place may not end."},
	{"too-many-findings", Warning, "Findings stop after 1000."},
}
