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

// A CDN is where a page with the engine ORT finds its files if they are not beside it.
type CDN struct {
	Version string    `json:"version"` // of the npm package onnxruntime-web
	Files   []CDNFile `json:"files"`   // in the order of ORTFiles
}

// A CDNFile is a file that the page fetches from its address, and uses only if its digest is as
// expected.
type CDNFile struct {
	Address   string `json:"address"`
	Integrity string `json:"integrity"` // as in HTML (W3C, Subresource Integrity): sha384- and the digest in base64
}

// PinnedCDN returns the CDN that a page uses with Options.CDN.
func PinnedCDN() CDN {
	var c CDN
	if err := json.Unmarshal(cdnText, &c); err != nil {
		panic("page/cdn.json: " + err.Error()) // it is part of this program, and a test reads it
	}
	return c
}

// Host returns the host of the files' addresses.
func (c CDN) Host() string {
	u, err := url.Parse(c.Files[0].Address)
	if err != nil {
		panic("page/cdn.json: " + err.Error())
	}
	return u.Host
}
