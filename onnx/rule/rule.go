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
	{"file-format", Error, "The file must be an ONNX model in protobuf's binary format, and nothing else."},

	// The model.
	{"ir-version-missing", Error, "A model must state its IR version."},
	{"ir-version-unsupported", Error, "The IR version must be one that exists: 1 to 14."},
	{"required-field-missing", Error, "A field that ONNX requires must be set."},
	{"required-field-empty", Error, "A name that ONNX requires must not be empty."},
	{"opset-import-missing", Error, "From IR version 3 on, a model must import an operator set, and one for each domain whose operators it uses."},
	{"opset-import-duplicate", Error, "A domain must be imported only once; \"\" and \"ai.onnx\" are the same domain."},
	{"opset-import-unexpected", Error, "Models before IR version 3 must not have opset imports."},
	{"opset-version-invalid", Error, "The version of an operator set must be between 1 and 2^31-1; readers take the low bits of larger numbers."},
	{"opset-version-unknown", Warning, "The version of an operator set should be one that this program knows; operators of a newer one are checked as of the newest known."},
	{"metadata-props-duplicate-key", Error, "Keys in metadata_props must be unique."},
	{"name-unprintable", Warning, "Names should not contain control characters."},
	{"nesting-too-deep", Error, "Graphs must be nested at most 100 deep."},
	{"function-duplicate", Error, "A model must define a function only once for each domain, name and overload."},
	{"function-recursive", Error, "A function must not call itself, directly or through others."},
	{"function-parameter-duplicate", Error, "The inputs, outputs and attributes of a function must have different names."},
	{"function-opset-mismatch", Error, "An operator used in a function must have the same definition in the function's opset and in the model's."},
	{"function-shadows-operator", Warning, "A model's function should not have the domain and name of an ONNX operator; runtimes disagree on which one is meant."},
	{"function-attribute-missing", Warning, "A call should give each attribute of a function that has no default; otherwise attributes that refer to it are left out."},
	{"device-configuration", Error, "Device configurations must have a name and a number of devices; nodes must refer to existing ones, and shard only their own values, along axes that exist."},
	{"function-ir-version", Error, "A model must not define functions before IR version 8."},

	// Graphs.
	{"input-duplicate", Error, "The inputs of a graph must have different names."},
	{"output-duplicate", Error, "The outputs of a graph must have different names."},
	{"initializer-duplicate", Error, "The initializers of a graph must have different names."},
	{"initializer-not-input", Error, "Before IR version 4, every initializer must also be an input."},
	{"value-redefined", Error, "A value must be defined only once (SSA form): as the output of one node, an input or an initializer, counting enclosing graphs."},
	{"value-shadowed", Warning, "An input or initializer of a nested graph should not have the name of a value in an enclosing graph."},
	{"value-undefined", Error, "What a node reads must be an input, an initializer, or the output of a node."},
	{"node-order", Error, "A node must come after the nodes whose outputs it reads. verify sorts the nodes, judges the model and says so."},
	{"graph-cycle", Error, "A node must not depend on its own output."},
	{"output-undefined", Error, "An output of a graph must be the output of one of its nodes, an input or an initializer."},
	{"value-info-duplicate", Error, "The value infos of a graph must not declare different types for the same value."},
	{"value-info-repeated", Warning, "The type of a value should be declared only once."},
	{"value-info-unknown", Info, "A value info should describe a value that exists."},
	{"node-name-duplicate", Error, "The nodes of a graph must have different names."},
	{"output-constant", Warning, "An output should depend on an input, if the graph has any."},
	{"node-unused", Info, "At least one output of a node should be read."},
	{"initializer-unused", Info, "An initializer should be read by something."},
	{"quantization-annotation", Warning, "A quantization annotation should refer to a value that exists."},

	// Nodes.
	{"node-empty", Error, "A node must have at least one input or output."},
	{"operator-not-registered", Error, "The operator must exist in its domain at the opset that the model imports."},
	{"operator-deprecated", Error, "The operator must not have been removed by that opset."},
	{"operator-contributed", Error, "The operator must be in the specification; a few in ONNX's domain exist only in ONNX Runtime. verify judges them all the same."},
	{"operator-undescribed", Warning, "The operator should be described by the specification; the experimental ones of opset 1 are not. ONNX Runtime runs most of them, up to opset 9, and verify judges these; few other runtimes do."},
	{"operator-unknown", Warning, "The operator should be one that this program knows; it may be newer."},
	{"operator-custom-domain", Info, "The operator is neither ONNX's nor a known one of com.microsoft, and cannot be checked."},
	{"input-count", Error, "A node must have as many inputs as its operator takes."},
	{"output-count", Error, "A node must have as many outputs as its operator has."},
	{"input-missing", Error, "A required input must not be left out."},
	{"output-missing", Error, "A required output must not be left out."},
	{"attribute-unknown", Error, "A node must have only attributes that its operator defines."},
	{"attribute-missing", Error, "A required attribute must be set."},
	{"attribute-duplicate", Error, "A node must not have the same attribute twice."},
	{"attribute-type", Error, "An attribute must have the type that the operator defines."},
	{"attribute-value", Error, "An attribute must have exactly one value, of its type."},
	{"attribute-nan", Warning, "A number in an attribute should not be NaN, except where it stands for missing values."},
	{"attribute-flag", Warning, "An attribute used as a switch should be 0 or 1; runtimes disagree on other values."},
	{"either-or", Error, "Inputs and attributes that exclude or require each other, such as scales and sizes of Resize, or pads and auto_pad, must be given accordingly."},
	{"training-mode", Warning, "A model exported for inference should have no node in training mode."},
	{"attribute-reference", Error, "Only nodes inside a function may refer to an attribute, and it must be one of the function's."},

	// Tensors.
	{"tensor-data-type", Error, "The data type of a tensor must be one of ONNX's."},
	{"data-type-requires-newer-ir-version", Error, "The model's IR version must be at least that in which the data type was added."},
	{"tensor-dims", Error, "The dimensions of a tensor must not be negative, and its number of elements must fit in 63 bits."},
	{"tensor-fields", Error, "The elements of a tensor must be in exactly one field, which its data type allows."},
	{"tensor-length", Error, "A tensor must have as many elements as its shape says."},
	{"tensor-range", Error, "The elements of a tensor must be within the range of its data type."},
	{"tensor-segment", Error, "A tensor must not be stored as a segment."},
	{"tensor-external", Error, "External data must have a location and no elements beside it, and its offset and length must be numbers."},
	{"tensor-external-key", Error, "The keys of external data must be location, offset, length, checksum and basepath, each at most once."},
	{"external-data-path", Error, "The location of external data must be a plain relative path inside the model's folder."},
	{"external-data", Warning, "The elements of all tensors should be in the model file itself."},
	{"external-data-file-missing", Error, "The external data file must exist and be readable."},
	{"external-data-link", Error, "The external data file must be a regular file inside the model's folder, without hard links to it and not reached through a symbolic link."},
	{"external-data-range", Error, "The external data file must contain the bytes at the offset that the tensor names."},
	{"external-data-checksum", Error, "The external data file must have the SHA-1 that the tensor names."},
	{"sparse-tensor", Error, "The values of a sparse tensor must have one axis, and its indices must be in range, unique and in ascending order."},
	{"weight-nan", Warning, "A weight should not be NaN."},
	{"weight-infinite", Warning, "A weight should not be infinite."},
	{"weight-subnormal", Info, "Few weights should be subnormal: runtimes may flush them to zero, or compute slowly."},

	// Types and shapes.
	{"type-invalid", Error, "The keys of a map type must be integers or strings."},
	{"type-empty", Warning, "A type declared inside a graph should not be empty."},
	{"dim-negative", Warning, "Dimensions of a type should not be negative; runtimes take such a dimension as unknown, or fail."},
	{"type-mismatch", Error, "The types of a node's inputs must be a combination that its operator takes, those of its outputs must follow from them, and the branches of an If must agree."},
	{"shape-mismatch", Error, "The shapes of a node's inputs must fit together as its operator requires."},
	{"attribute-range", Error, "An attribute, or an input in its place, must have a value that the operator accepts: a known keyword, an existing axis, a permutation, a positive stride."},
	{"declared-type-mismatch", Error, "A value must have its declared type."},
	{"declared-shape-mismatch", Error, "A value must have its declared shape."},
	{"value-too-large", Error, "A value must not have more elements than the budget allows (by default 2^31), free axes counted as one."},
	{"memory-too-large", Error, "The values that one run holds at the same time, without weights, must fit in the budget (by default 64 GiB), free axes counted as one."},
	{"work-too-large", Error, "One run must not take more multiplications and additions than the budget allows (by default 2^50), free axes counted as one."},
	{"inference-budget", Error, "Type inference must end within 2^22 steps, with graphs and function calls nested at most 100 deep; beyond that, a runtime that inlines functions may never finish."},
	{"too-many-findings", Warning, "After 1000 findings, checking stops."},
}
