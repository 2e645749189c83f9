package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

type serveOptions struct {
	streams *Streams
	model   string
	encoder string
	engine  engineOptions
	port    int
}

func newServeCmd(s *Streams, run func(context.Context, serveOptions) error) *cobra.Command {
	o := serveOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "serve MODEL",
		Short: "Show a page that plays a generator",
		Long: `serve serves the page of petrify web to browsers on this machine, at 127.0.0.1, until Ctrl-C. It
writes the address to the standard output. It answers only requests from this machine that use this
machine's own name, and serves nothing but the page and its models.`,
		Example: `  petrify serve runs/dcgan
  petrify serve runs/vae --port 8080`,
		Args: arguments(1, 1, "one ONNX file or run folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.model = args[0]
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.port, "port", 0, "port to listen on; 0 picks a free one")
	f.StringVar(&o.encoder, "encoder", "", "ONNX file that turns pictures into inputs of MODEL (default: the run folder's)")
	o.engine.flags(cmd)
	return cmd
}

func runServe(ctx context.Context, o serveOptions) error {
	if o.port < 0 || o.port > 1<<16-1 {
		return fmt.Errorf("--port is %d, want 0 to 65535", o.port)
	}
	files, err := siteOf(ctx, o.model, o.encoder, o.engine)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)))
	if err != nil {
		return err
	}
	address := listener.Addr().(*net.TCPAddr)
	server := &http.Server{
		Handler:           siteHandler(files, address.Port),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    1 << 16,
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	fmt.Fprintf(o.streams.Out, "http://%s/\n", address)
	fmt.Fprintln(o.streams.Err, "Ctrl-C stops it")
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil // that is how it is meant to end
}

// siteHandler answers requests for the files of a page, to those who ask this machine by its own name: a page of another site
// cannot reach it under a name that was made to stand for this machine (DNS rebinding).
func siteHandler(files []siteFile, port int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "frame-ancestors 'none'") // beside the page's own
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		if host := r.Host; host != fmt.Sprintf("127.0.0.1:%d", port) && host != fmt.Sprintf("localhost:%d", port) {
			http.Error(w, "the request does not use a name of this machine", http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "want GET", http.StatusMethodNotAllowed)
			return
		}
		for _, f := range files {
			if r.URL.Path == "/"+f.name || r.URL.Path == "/" && f.name == "index.html" {
				h.Set("Content-Type", f.kind)
				h.Set("Content-Length", strconv.Itoa(len(f.body)))
				if r.Method == http.MethodGet {
					w.Write(f.body)
				}
				return
			}
		}
		http.NotFound(w, r)
	})
}
