// The program petrify-fleet is petrify, and reads models out of S3 and Google Cloud Storage as well.
package main

import (
	"os"

	"github.com/petrify-ml/petrify/fleet/objects"
	"github.com/petrify-ml/petrify/internal/cli"
)

func main() {
	os.Exit(cli.Main(&objects.Store{S3: os.Getenv("PETRIFY_S3_OPTIONS")}))
}
