package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/policy"
)

func policyBuildCommand() *cobra.Command {
	var o policy.BuildOptions
	var out string
	var asJSON bool
	c := &cobra.Command{
		Use: "build BUNDLE", Short: "Make a tarball of a bundle",
		Long:    "Make a tarball of a bundle, which OPA loads too. The same content makes the same bytes.",
		Example: "  signalbox policy build ./policies --output bundle.tar.gz --revision 2026-05-20",
		Args:    oneBundle("build"),
		RunE: func(c *cobra.Command, args []string) error {
			tarball, revision, err := policy.Build(args[0], o)
			if err != nil {
				return err
			}
			if err := os.WriteFile(out, tarball, 0o644); err != nil {
				return fmt.Errorf("cannot write bundle: %w", err)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), map[string]any{"file": out, "revision": revision, "bytes": len(tarball)})
			}
			fmt.Fprintf(c.OutOrStdout(), "wrote %s: revision %s, %d bytes\n", out, revision, len(tarball))
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "bundle.tar.gz", "the file to write")
	c.Flags().StringVarP(&o.Revision, "revision", "r", "", "what the bundle calls itself (default: its manifest's revision, or a hash)")
	c.Flags().StringArrayVar(&o.Roots, "root", nil, "a place under data that the bundle owns, as in signalbox/units/acme (repeatable)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func oneBundle(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return hint(fmt.Errorf("policy %s needs a folder or a tarball", command), "such as ./policies")
		}
		return nil
	}
}

func policySignCommand() *cobra.Command {
	var o policy.SignOptions
	var out string
	var asJSON bool
	c := &cobra.Command{
		Use: "sign BUNDLE", Short: "Make a signed tarball of a bundle",
		Long:    "Make a signed tarball of a bundle: the token in .signatures.json holds a hash of each file, as that of opa sign does.",
		Example: "  signalbox policy sign ./policies --signing-key key.pem --key-id main --output bundle.tar.gz",
		Args:    oneBundle("sign"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.Key == "" {
				return hint(errors.New("policy sign needs a key"), "give the PEM file of a private key, or one with a secret, by --signing-key")
			}
			if _, err := os.Stat(o.Key); err != nil { // its text would be what others can see
				return hint(errors.New("cannot read --signing-key: it names no file"), "keep the key in a file, and give its path")
			}
			o.Algorithm = cmp.Or(o.Algorithm, policy.SigningAlgorithm(o.Key))
			tarball, err := policy.Sign(args[0], o)
			if err != nil {
				return err
			}
			if err := os.WriteFile(out, tarball, 0o644); err != nil {
				return fmt.Errorf("cannot write bundle: %w", err)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), map[string]any{"file": out, "algorithm": o.Algorithm, "bytes": len(tarball)})
			}
			fmt.Fprintf(c.OutOrStdout(), "wrote %s: signed by %s, %d bytes\n", out, o.Algorithm, len(tarball))
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "bundle.tar.gz", "the file to write")
	c.Flags().StringVar(&o.Key, "signing-key", "", "file with the private key in PEM, or with a secret for HS256")
	c.Flags().StringVar(&o.Algorithm, "signing-alg", "", "how to sign: RS256, ES256, PS256, HS256 and longer ones (default what fits the key)")
	c.Flags().StringVar(&o.KeyID, "key-id", "", "name of the key, in the token")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
