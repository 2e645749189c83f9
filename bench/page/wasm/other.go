//go:build !js

package main

import "log"

func main() { log.Fatal("build it with GOOS=js GOARCH=wasm: see bench/page/compare.js") }
