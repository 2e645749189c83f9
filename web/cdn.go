package web

import (
	_ "embed"
	"encoding/json"
	"net/url"
)

// The files of ONNX Runtime Web on a CDN, with what a browser must find them to be. jsDelivr serves the files of npm packages as they
// are, under an address that names the version: it never changes what it has shown there. The test computes the digests from the package.
//
//go:embed page/cdn.json
var cdnText []byte

// CDN is where a page of the engine ORT finds its files where none lie beside it.
type CDN struct {
	Version string    `json:"version"` // of the npm package onnxruntime-web
	Files   []CDNFile `json:"files"`   // in the order of ORTFiles
}

// CDNFile is a file that is fetched by its address, and used if it is the one that was meant.
type CDNFile struct {
	Address   string `json:"address"`
	Integrity string `json:"integrity"` // as in HTML (W3C, Subresource Integrity): sha384- and the digest in base64
}

// PinnedCDN is the one that a page of Options.CDN names.
func PinnedCDN() CDN {
	var c CDN
	if err := json.Unmarshal(cdnText, &c); err != nil {
		panic("page/cdn.json: " + err.Error()) // it is part of this program, and a test reads it
	}
	return c
}

// Host is that of the files' addresses.
func (c CDN) Host() string {
	u, err := url.Parse(c.Files[0].Address)
	if err != nil {
		panic("page/cdn.json: " + err.Error())
	}
	return u.Host
}
