package reference

import "strings"

// whyNot says why the reference has no operator of a domain, "" where there is nothing to
// say but that.
func whyNot(domain, name string) string {
	if domain != microsoft {
		return foreign(domain)
	}
	switch {
	case strings.Contains(" BeamSearch GreedySearch Sampling WhisperBeamSearch ", " "+name+" "):
		return "a search, in which one rounding may change every token that follows; the decoder that it runs can be judged on its own"
	case name == "SparseAttention":
		return "ONNX Runtime runs it only where past and present are the same memory; inputs and outputs of a run are not"
	case name == "SparseToDenseMatMul":
		return "its first input is a sparse tensor, which no runtime takes from a file of inputs"
	case name == "EPContext":
		return "a part of the model that was compiled for one processor, by an execution provider of ONNX Runtime; the model that it was made from can be judged"
	case strings.Contains(withoutKernel, " "+name+" "):
		return "ONNX Runtime has no kernel for CPUs"
	}
	return ""
}

// foreign says whose domain it is, "" where that is not known.
func foreign(domain string) string {
	switch {
	case domain == "com.microsoft.nchwc":
		return "ONNX Runtime's own layout, in blocks of as many channels as the processor has lanes; a model that is optimised at level extended has none of it"
	case domain == "com.ms.internal.nhwc":
		return "a layout within ONNX Runtime, of execution providers for other processors; a model that is optimised for CPUs has none of it"
	case domain == "ai.onnx.contrib", domain == "com.microsoft.extensions":
		return "a custom operator of onnxruntime-extensions, which is loaded into ONNX Runtime; without pre- and post-processing most models have none"
	case domain == "com.amd.quark", domain == "com.vai.quantize":
		return "a custom operator of AMD's quantizer, which is loaded into ONNX Runtime; quantised to the standard's types, with QuantizeLinear and DequantizeLinear, the model can be judged"
	case domain == "trt", domain == "trt.plugins", domain == "TRT":
		return "a plug-in of TensorRT"
	case domain == "org.pytorch.aten":
		return "it calls PyTorch, which only ONNX Runtime's builds for training do"
	case strings.HasPrefix(domain, "pkg."):
		return "a function of PyTorch's exporter that the file lacks"
	}
	return ""
}

// withoutKernel are operators of com.microsoft that ONNX Runtime 1.30 runs on GPUs or by other providers only, as its
// binary has it.
const withoutKernel = " BiasDropout BitmaskBiasDropout BitmaskDropout ComplexMul ComplexMulConj DecoderAttention DecoderMaskedSelfAttention" +
	" DequantizeBFP DequantizeWithOrder GatedDeltaNet GatedRelativePositionBias GemmFastGelu GemmFloat8 GemmaRotaryEmbedding Irfft IsAllFinite LongformerAttention" +
	" MatMulBlockQuantizedFp4Weight MatMulBlockQuantizedFp8Weight MatMulNBitsMlp MatMulNBitsQkv MulInteger" +
	" NhwcConv PackedAttention PackedMultiHeadAttention PagedAttention QOrderedAttention QOrderedGelu QOrderedLayerNormalization" +
	" QOrderedLongformerAttention QOrderedMatMul QuantizeBFP QuantizeWithOrder ReduceSumInteger RelativePositionBias RemovePadding RestorePadding Rfft Snpe TorchEmbedding" +
	" VarlenCausalConvWithState "
