package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func credentialCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "credential", Short: "Keep providers' credentials in the running gateway",
		Long: "Keep providers' credentials in the running gateway, encrypted in its store. Changes need no restart.\n" +
			"Secrets are read from a file or from standard input, never from the command line, which others can see."}
	a.flags(c)
	c.AddCommand(credentialListCommand(a), credentialAddCommand(a), credentialRotateCommand(a), credentialRemoveCommand(a))
	return c
}

type credentialRow struct {
	Provider, Name, Source, State string
	Weight                        int
	Until, Retires                time.Time
	TokenExpires                  time.Time `json:"token_expires"`
	Requests, Tokens              *struct{ Left, Limit int64 }
}

func credentialListCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "list",
		Short:   "List all credentials, without their secrets, and how they fare",
		Args:    cobra.NoArgs,
		Example: "  signalbox credential list",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer struct{ Credentials []credentialRow }
			return a.show(c, "/admin/credentials", &answer, func(w io.Writer) error { return printCredentials(w, answer.Credentials) })
		},
	})
}

func printCredentials(w io.Writer, rows []credentialRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PROVIDER\tNAME\tSOURCE\tWEIGHT\tSTATE\tREQUESTS LEFT\tTOKENS LEFT\tRETIRES")
	for _, r := range rows {
		state := r.State
		if !r.Until.IsZero() {
			state += " until " + r.Until.Format(time.TimeOnly)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", r.Provider, r.Name, r.Source, r.Weight, state, left(r.Requests), left(r.Tokens), clock(r.Retires))
	}
	return t.Flush()
}

func left(q *struct{ Left, Limit int64 }) string {
	switch {
	case q == nil:
		return "-"
	case q.Limit > 0:
		return fmt.Sprintf("%d of %d", q.Left, q.Limit)
	}
	return fmt.Sprint(q.Left)
}

func credentialAddCommand(a *access) *cobra.Command {
	var file string
	var weight int
	c := shown(&cobra.Command{
		Use:     "add PROVIDER NAME",
		Short:   "Add a credential to a provider",
		Args:    exactly(2, "a provider and a name for the credential"),
		Example: "  signalbox credential add openai second --weight 3 < key.txt",
		RunE: func(c *cobra.Command, args []string) error {
			secret, err := readSecret("secret", file, c.InOrStdin(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			return a.change(c, http.MethodPost, credentialsPath(args[0], ""), map[string]any{"name": args[1], "value": secret, "weight": weight})
		},
	})
	c.Flags().StringVar(&file, "file", "", "file that holds the secret (default: standard input)")
	c.Flags().IntVar(&weight, "weight", 1, "share of the requests among the provider's credentials; 0: when no other can")
	return c
}

func credentialRotateCommand(a *access) *cobra.Command {
	var file string
	overlap := span(24 * time.Hour)
	c := shown(&cobra.Command{
		Use:     "rotate PROVIDER NAME",
		Short:   "Replace a credential; the old one stands by for a while",
		Example: "  signalbox credential rotate openai second --overlap 24h < new.txt",
		Args:    exactly(2, "a provider and the name of the credential"),
		RunE: func(c *cobra.Command, args []string) error {
			secret, err := readSecret("secret", file, c.InOrStdin(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			return a.change(c, http.MethodPut, credentialsPath(args[0], args[1]), map[string]any{"value": secret, "overlap": time.Duration(overlap).String()})
		},
	})
	c.Flags().StringVar(&file, "file", "", "file that holds the new secret (default: standard input)")
	c.Flags().Var(&overlap, "overlap", "for how long the old secret serves when the new one cannot, as in 7d or 12h")
	return c
}

func credentialRemoveCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "remove PROVIDER NAME",
		Short:   "Forget a credential at once",
		Example: "  signalbox credential remove openai second",
		Args:    exactly(2, "a provider and the name of the credential"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.change(c, http.MethodDelete, credentialsPath(args[0], args[1]), nil)
		},
	})
}

func credentialsPath(provider, name string) string {
	path := "/admin/providers/" + url.PathEscape(provider) + "/credentials"
	if name != "" {
		path += "/" + url.PathEscape(name)
	}
	return path
}

// change makes one request and prints what it answers: a verb and its object.
func (a *access) change(c *cobra.Command, method, path string, body any) error {
	var answer map[string]string
	return a.ask(c, asked{method, path, body}, &answer, func(w io.Writer) error {
		for verb, object := range answer {
			fmt.Fprintln(w, verb, object)
		}
		return nil
	})
}

// maxSecretFile is above every credential.
const maxSecretFile = 64 << 10

// readSecret reads what is secret from a file, or from in.
func readSecret(what, file string, in io.Reader, prompt io.Writer) (string, error) {
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("cannot read the %s: %w", what, err)
		}
		defer f.Close()
		in = f
	} else if f, ok := in.(*os.File); ok && terminal(f) {
		fmt.Fprintln(prompt, "type the "+what+", then Enter (it is shown as you type: better < a file)")
		line, err := bufio.NewReader(io.LimitReader(in, maxSecretFile)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("cannot read the %s: %w", what, err)
		}
		return strings.TrimSpace(line), nil
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxSecretFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read the %s: %w", what, err)
	case len(raw) > maxSecretFile:
		return "", fmt.Errorf("cannot read the %s: it is larger than %d bytes", what, maxSecretFile)
	}
	if secret := strings.TrimSpace(string(raw)); secret != "" {
		return secret, nil
	}
	return "", hint(fmt.Errorf("cannot read the %s: there is none", what), "pipe it in, or name its file by --file")
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
