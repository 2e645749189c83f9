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
	{"outputs-differ", rule.Error, "A runtime must compute what the model says, except for rounding.",
		"A runtime that computes Conv in TF32 where float32 is declared; a recorded output that belongs to other weights.",
		"Look at the node that the message names first: petrify verify MODEL -v shows every figure. If the runtime is meant to compute in another arithmetic, declare it: --arithmetic tf32.", false, "verify"},
	{"weights-differ", rule.Error, "The weights in the file must be those of the checkpoint, bit for bit.",
		"A file exported from a checkpoint that is not the run's last one.",
		"Export the run again, or name the run that the file comes from.", false, "verify"},
	{"model-invalid", rule.Error, "The file must be valid ONNX.",
		"A node that reads a value that nothing computes.",
		"petrify check MODEL lists every finding, with its rule.", false, "verify"},
	{"runtime-failed", rule.Error, "A runtime that accepts the model must be able to run it.",
		"A runtime that returns an error, panics or does not return within --timeout.",
		"The message is the runtime's own; petrify verify MODEL -v shows on which data it occurred.", false, "verify"},
	{"model-unreadable", rule.Error, "The file and its recorded data must be readable, and fit each other.",
		"A test_data_set_0/input_0.pb of another shape than the model's input.",
		"Correct the path, or record the data again: petrify record MODEL.", true, "verify"},
	{"model-unsupported", rule.Error, "The reference must support every operator of the model.",
		"An operator of a custom domain.",
		"docs/operators.md lists what it supports. Define the operator as a function in the model, or ignore the file in the policy, with a reason.", true, "verify"},
	{"model-not-judged", rule.Error, "The reference must be able to evaluate the model within its limits of time and memory.",
		"A model that takes longer than --timeout, or one whose inputs cannot be guessed.",
		"The message names the flag: --timeout, --budget, --shape, --range or --input.", true, "verify"},
	{"runtime-broken", rule.Error, "An installed runtime must start, have the execution provider that --ep names, and not crash.",
		"ONNX Runtime for Node.js without its binary for this system.",
		"Install it again; petrify says what it tried and what happened. A crash is a fault of the runtime: report it to its authors, with the model.", true, "verify"},
	{"outputs-unbounded", rule.Error, "The reference must have a limit for each output.",
		"An output computed from a float that was cast to an integer out of its range, which ONNX leaves undefined.",
		"The reason names the node and the rule; use inputs that avoid the case: --range or --input.", true, "verify"},
	{"nothing-compared", rule.Error, "At least one runtime, or one recorded output, must be compared with the reference.",
		"A machine without a runtime that supports the model's operators.",
		"Install ONNX Runtime (npm install onnxruntime-node, pip install onnxruntime), or record outputs: petrify record MODEL.", true, "verify"},
	{"outputs-unrecorded", rule.Warning, "A data set beside a model should have outputs as well as inputs.",
		"A test_data_set_0 whose output_0.pb was lost.",
		"Record them: petrify record MODEL.", false, "verify"},
	{"outputs-not-finite", rule.Warning, "An output should have at least one finite element.",
		"A generator whose training diverged: every runtime computes NaN, as the model says, and is equal.",
		"Look for the first value that is not finite: petrify check MODEL names weights that are not. If the inputs that were drawn are to blame, give others: --range or --input.", false, "verify"},
	{"outputs-constant", rule.Warning, "An output should depend on the inputs.",
		"A ReLU that gives 0 for every input, so that the output is the bias of the layer after it.",
		"Look at the node that the message names, and at the layer before it. If the inputs that were drawn are to blame, give others: --range or --input.", false, "verify"},
	{"outputs-empty", rule.Warning, "An output should not be empty.",
		"A detector that finds nothing in the random inputs.",
		"Give inputs in which it finds something: --input, or petrify record.", false, "verify"},
	{"outputs-nan", rule.Info, "An output should have no NaN.",
		"The logarithm of inputs some of which are negative.",
		"If the inputs that were drawn are to blame, give others: --range or --input.", false, "verify"},
	{"inputs-constant", rule.Warning, "The elements of a recorded input should not all be the same number.",
		"A test_data_set_0 of zeros, with which wrong weights go unnoticed.",
		"Record realistic inputs: petrify record MODEL --input x=FILE.", false, "verify"},
	{"limits-wide", rule.Warning, "The limits of an output should be narrow compared with the output itself, or the proof should have replaced them.",
		"Recorded outputs of a network that rounds its activations to four bits: the intermediate values are not known, so nothing can be proven, and one rounding the other way changes the outputs much.",
		"Compare a runtime: that is proven node by node.", false, "verify"},
	{"runtime-required", rule.Error, "A runtime that the policy requires must be installed, and must accept the model.",
		"A machine without ONNX Runtime; a model with an operator that the runtime lacks.",
		"Install the runtime, or list it under runtimes.try instead of runtimes.require.", true, "gate"},
	{"budget-bytes", rule.Error, "The file and its external data must not have more bytes than the policy allows.",
		"A model exported in float32 instead of float16.",
		"Quantise or prune the model, or raise budgets.bytes.", false, "gate"},
	{"budget-parameters", rule.Error, "The model must not have more parameters than the policy allows.",
		"A width that was doubled.", "Shrink the model, or raise budgets.parameters.", false, "gate"},
	{"budget-multiply-adds", rule.Error, "One run must not take more multiplications and additions than the policy allows, free axes counted as one.",
		"A convolution at full resolution that should have come after the pooling.", "petrify inspect MODEL shows the work; shrink the model, or raise budgets.multiply-adds.", false, "gate"},
	{"budget-activations", rule.Error, "The values that one run holds at the same time, without weights, must not take more bytes than the policy allows, free axes counted as one.",
		"An attention over 4096 positions.", "Shrink the model, or raise budgets.activations.", false, "gate"},
	{"budget-opset", rule.Error, "The model's opset of ai.onnx must not be newer than the policy allows.",
		"An exporter that was updated.", "Export for the older opset, or raise budgets.opset.", false, "gate"},
	{"budget-ir", rule.Error, "The model's IR version must not be newer than the policy allows.",
		"An exporter that was updated.", "Export for the older IR version, or raise budgets.ir.", false, "gate"},
	{"domain-not-allowed", rule.Error, "Operators must be of domains that the policy allows.",
		"A model saved by ONNX Runtime's optimiser, with com.microsoft.FusedConv in it.", "Ship the model as it was before optimisation, or allow the domain under domains.", false, "gate"},
	{"operator-not-allowed", rule.Error, "Operators must be among those that the policy allows.",
		"A Loop where the device cannot run one.", "Export without the operator, or change operators in the policy.", false, "gate"},
	{"target-unsupported", rule.Error, "The target must load each node of the model, and its opset and IR version, in each of the releases named.",
		"A GridSample of opset 20 where the target is opencv>=4.8.",
		"Export without the operator, for an older opset or with other types; or raise the release in targets. The model's note names the table and its date.", false, "gate"},
	{"target-partial", rule.Warning, "The target should support every form of each node, and run it itself.",
		"A Resize where the target is opencv, which accepts some forms and refuses others.",
		"Try the model in the target itself; then ignore the finding, with the reason.", false, "gate"},
	{"target-unknown", rule.Warning, "The target's table should say for each node whether it is loaded.",
		"An operator of a custom domain.",
		"Try the model in the target itself; then ignore the finding, with the reason.", false, "gate"},
	{"license-missing", rule.Error, "The model must state its licence.",
		"A model without metadata \"license\" where the policy has license: {allow: [...]}.",
		"Add the entry license, an SPDX expression such as Apache-2.0, to metadata_props.", false, "gate"},
	{"license-not-allowed", rule.Error, "The model's licence must be an SPDX expression that the policy's list satisfies.",
		"A licence \"CC-BY-NC-4.0\" where the policy allows Apache-2.0 and MIT.",
		"Replace the model, or allow the licence under license.allow. Of A OR B one is enough, of A AND B both are needed.", false, "gate"},
	{"provenance-missing", rule.Error, "The model must state the provenance that the policy requires: author, source, producer, training data.",
		"A model that does not name the data that it was trained on.",
		"Add the entry to metadata_props; the message lists the accepted keys, and those that the model has.", false, "gate"},
	{"metadata-missing", rule.Error, "The model must have the metadata that the policy requires, such as its licence and source.",
		"A model without metadata \"license\".", "Add the entry to metadata_props, or take the key out of the policy.", false, "gate"},
	{"model-missing", rule.Error, "Each pattern of the policy must match at least one model.",
		"models/*.onnx after the folder was renamed.", "Correct the pattern, or remove it.", true, "gate"},
	{"ignore-unused", rule.Warning, "Each ignore of the policy should match a finding.",
		"An ignore that was left behind after the model was fixed.", "Remove it.", false, "gate"},
}
