// Package onnx is ONNX for Go programs: reading files that nobody vouches for,
// checking them, inferring types and shapes, showing them as text, and writing
// them.
//
// Reading comes in two steps. Read and Parse see that the bytes are a message
// of ONNX within limits, and nothing more. Check then says what is wrong with
// the model, each finding under a stable code, and Infer derives the types of
// all values. Names out of a file are shown quoted everywhere.
//
// The messages themselves are those of package pb.
package onnx
