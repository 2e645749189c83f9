package report

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx/rule"
)

// A Rule is what one code stands for, with an example of what breaks it and what to do then.
type Rule struct {
	Code     string
	Severity rule.Severity
	Doc      string
	Example  string
	Repair   string
	Problem  bool   // breaking it means that something could not be judged
	From     string // the command that finds it: check, verify or gate
}

// Rules lists all rules: those of check, then those of verify and of gate.
func Rules() []Rule {
	var all []Rule
	for _, r := range rule.All() {
		all = append(all, Rule{Code: r.Code, Severity: r.Severity, Doc: r.Doc, Example: r.Example, Repair: r.Repair, From: "check"})
	}
	return append(all, ownRules...)
}

// find returns the rule of a code, the zero value if there is none.
func find(code string) Rule {
	if i := slices.IndexFunc(ownRules, func(r Rule) bool { return r.Code == code }); i >= 0 {
		return ownRules[i]
	}
	for _, r := range rule.All() {
		if r.Code == code {
			return Rule{Code: r.Code, Severity: r.Severity, Doc: r.Doc, Example: r.Example, Repair: r.Repair, From: "check"}
		}
	}
	return Rule{}
}

var ownRules = []Rule{
	{"outputs-differ", rule.Error, "What a runtime computes is what the model says, but for rounding.",
		"A runtime that computes Conv in TF32 where float32 is declared; a recorded output that belongs to other weights.",
		"Look at the first node that is named: petrify verify MODEL -v shows every figure. If the runtime is meant to compute so, declare it: --arithmetic tf32.", false, "verify"},
	{"weights-differ", rule.Error, "The weights in the file are those of the checkpoint, bit for bit.",
		"A file that was exported from an earlier checkpoint than the run's last one.",
		"Export the run again, or name the run that the file comes from.", false, "verify"},
	{"model-invalid", rule.Error, "The file is valid ONNX.",
		"A node that reads a value which nothing computes.",
		"petrify check MODEL lists every finding, with its rule.", false, "verify"},
	{"runtime-failed", rule.Error, "A runtime that takes the model runs it.",
		"A runtime that returns an error, panics or does not come back within --timeout.",
		"The message is the runtime's own; petrify verify MODEL -v shows for which data it came.", false, "verify"},
	{"model-unreadable", rule.Error, "The file and its recorded data can be read, and fit each other.",
		"A test_data_set_0/input_0.pb of another shape than the model's input.",
		"Mend the path, or record the data anew: petrify record MODEL.", true, "verify"},
	{"model-unsupported", rule.Error, "The reference knows every operator of the model.",
		"An operator of a domain of one's own.",
		"docs/operators.md lists what it knows. Write the operator as a function of the model, or ignore the file in the policy, with a reason.", true, "verify"},
	{"model-not-judged", rule.Error, "The reference evaluates the model within its bounds.",
		"A model that takes longer than --timeout, or needs an input that cannot be guessed.",
		"The message names the flag: --timeout, --budget, --shape, --range or --input.", true, "verify"},
	{"runtime-broken", rule.Error, "A runtime that is there can be started, has the execution provider that --ep names, and does not crash.",
		"ONNX Runtime for Node.js without its binary for this system.",
		"Install it again; petrify says what it tried and what came. A crash is a fault of the runtime: report it there, with the model.", true, "verify"},
	{"outputs-unbounded", rule.Error, "The reference has a limit for each output.",
		"An output computed from a float that was cast to an integer out of its range, which ONNX leaves undefined.",
		"The reason names the node and the rule; use inputs that avoid it: --range or --input.", true, "verify"},
	{"nothing-compared", rule.Error, "At least one runtime, or one recorded output, is compared with the reference.",
		"A machine without any runtime that takes the model's operators.",
		"Install ONNX Runtime (npm install onnxruntime-node, pip install onnxruntime), or record outputs: petrify record MODEL.", true, "verify"},
	{"outputs-unrecorded", rule.Warning, "A data set beside a model has outputs as well as inputs.",
		"A test_data_set_0 whose output_0.pb was lost.",
		"Record them: petrify record MODEL.", false, "verify"},
	{"outputs-not-finite", rule.Warning, "An output has a finite element.",
		"A generator whose training diverged: every runtime gives NaN, as the model says, and is equal.",
		"Look for the first value that is not finite: petrify check MODEL names weights that are not. If the inputs that were drawn are to blame, give others: --range or --input.", false, "verify"},
	{"outputs-constant", rule.Warning, "What goes in has a say in what an output is.",
		"A ReLU that gives 0 for every input, so that the output is the bias of the layer after it.",
		"Look at the node that is named, and at the layer before it. If the inputs that were drawn are to blame, give others: --range or --input.", false, "verify"},
	{"outputs-empty", rule.Warning, "An output has elements.",
		"A detector that finds nothing in the inputs that were drawn.",
		"Give inputs in which there is something to find: --input, or petrify record.", false, "verify"},
	{"outputs-nan", rule.Info, "No element of an output is NaN.",
		"The logarithm of inputs of which some are negative.",
		"If the inputs that were drawn are to blame, give others: --range or --input.", false, "verify"},
	{"inputs-constant", rule.Warning, "Recorded inputs are more than one number in every element.",
		"A test_data_set_0 of zeros, on which wrong weights do not show.",
		"Record inputs that are like real ones: petrify record MODEL --input x=FILE.", false, "verify"},
	{"limits-wide", rule.Warning, "The limits of an output are narrow beside it, or a proof has taken their place.",
		"Recorded outputs of a deep network in float16: what was computed between them is not known, so that nothing can be proven.",
		"Compare a runtime: it is proven node by node.", false, "verify"},
	{"runtime-required", rule.Error, "A runtime that the policy requires is there, and takes the model.",
		"A machine without ONNX Runtime; a model with an operator that the runtime lacks.",
		"Install the runtime, or list it under runtimes.try instead of runtimes.require.", true, "gate"},
	{"budget-bytes", rule.Error, "The file and its external data have no more bytes than the policy allows.",
		"A model that was exported in float32 where float16 is shipped.",
		"Quantise or prune the model, or raise budgets.bytes.", false, "gate"},
	{"budget-parameters", rule.Error, "The model has no more parameters than the policy allows.",
		"A width that was doubled.", "Shrink the model, or raise budgets.parameters.", false, "gate"},
	{"budget-multiply-adds", rule.Error, "One run takes no more multiplications and additions than the policy allows, free axes counted as one.",
		"A convolution at full resolution that was meant to come after the pooling.", "petrify inspect MODEL shows the work; shrink the model, or raise budgets.multiply-adds.", false, "gate"},
	{"budget-activations", rule.Error, "The values that one run holds at the same time, weights apart, fit the policy's bytes, free axes counted as one.",
		"An attention over 4096 positions.", "Shrink the model, or raise budgets.activations.", false, "gate"},
	{"budget-opset", rule.Error, "The model's opset of ai.onnx is not newer than the policy allows.",
		"An exporter that was updated.", "Export for the older opset, or raise budgets.opset.", false, "gate"},
	{"budget-ir", rule.Error, "The model's IR version is not newer than the policy allows.",
		"An exporter that was updated.", "Export for the older IR version, or raise budgets.ir.", false, "gate"},
	{"domain-not-allowed", rule.Error, "Operators are of domains that the policy allows.",
		"A model that was saved by ONNX Runtime's optimiser and has com.microsoft.FusedConv.", "Ship the model as it was before, or allow the domain under domains.", false, "gate"},
	{"operator-not-allowed", rule.Error, "Operators are those that the policy allows.",
		"A Loop where the device cannot run one.", "Export without the operator, or change operators in the policy.", false, "gate"},
	{"target-unsupported", rule.Error, "Each node of the model, and its opset and IR version, is one that the target loads, in each of its releases.",
		"A GridSample of opset 20 where the target is opencv>=4.8.",
		"Export without the operator, for an older opset or with other types; or raise the release in targets. The note of the model names the table and its day.", false, "gate"},
	{"target-partial", rule.Warning, "The target takes each node in every form, and runs it itself.",
		"A Resize where the target is opencv: it takes some forms and refuses others.",
		"Try the model in the target itself; then ignore the finding, with the reason.", false, "gate"},
	{"target-unknown", rule.Warning, "The table of the target says of each node whether it is loaded.",
		"An operator of a domain of one's own.",
		"Try the model in the target itself; then ignore the finding, with the reason.", false, "gate"},
	{"license-missing", rule.Error, "The model says under which licence it is.",
		"A model without metadata \"license\" where the policy has license: {allow: [...]}.",
		"Add the entry license, an SPDX expression such as Apache-2.0, to metadata_props.", false, "gate"},
	{"license-not-allowed", rule.Error, "The model's licence is an SPDX expression that the licences of the policy fulfil.",
		"A licence \"CC-BY-NC-4.0\" where the policy allows Apache-2.0 and MIT.",
		"Replace the model, or allow the licence under license.allow. Of A OR B one is enough, of A AND B both are needed.", false, "gate"},
	{"provenance-missing", rule.Error, "The model says what the policy wants to know of where it comes from: author, source, producer, training data.",
		"A model that does not name the data that it was trained on.",
		"Add the entry to metadata_props; the message lists the keys that are looked for, and those that are there.", false, "gate"},
	{"metadata-missing", rule.Error, "The model has the metadata that the policy wants, such as its licence and where it comes from.",
		"A model without metadata \"license\".", "Add the entry to metadata_props, or take the key out of the policy.", false, "gate"},
	{"model-missing", rule.Error, "Each pattern of the policy stands for at least one model.",
		"models/*.onnx after the folder was renamed.", "Correct the pattern, or remove it.", true, "gate"},
	{"ignore-unused", rule.Warning, "Each ignore of the policy takes a finding out of the count.",
		"An ignore that stayed after the model was mended.", "Remove it.", false, "gate"},
}
