package main

import (
	"context"
	"net/http"

	"github.com/signalbox-ai/signalbox/host"
)

// tried tells what came of trying a credential.
func (d *doctor) tried(provider string, c host.TriedCredential) {
	result, remedy := checkOK, ""
	switch c.Answer {
	case host.CredentialOK:
	case host.CredentialRefused:
		result, remedy = checkFailed, "put one that is good into "+c.Field
	case host.CredentialLimited:
		result, remedy = checkWarning, "wait, raise the account's limit or pay its bill; or put another into "+c.Field
	case host.CredentialUnreachable:
		result, remedy = checkFailed, "see DNS, firewall and proxy, and providers."+provider+".config and .hosts; then try "+c.Field+" again"
	default:
		result, remedy = checkWarning, "send one small request to know whether "+c.Field+" is good: signalbox chat --model "+provider+"/…"
	}
	says := ""
	if c.Says != "" {
		says = ": " + c.Says
	}
	d.add("credentials", result, remedy, "provider %s, credential %s: %s%s", provider, c.Name, c.Answer, says)
	f := &d.found[len(d.found)-1]
	f.Provider, f.Credential, f.Answer = provider, c.Name, c.Answer
}

// kept tells how a running gateway finds the credentials of its store, which
// are nowhere else.
func (d *doctor) kept(ctx context.Context, api *client) {
	var answer struct{ Credentials []credentialRow }
	if err := api.do(ctx, http.MethodGet, "/admin/credentials", nil, &answer); err != nil {
		d.add("credentials", checkWarning, "give a --token that may list them", "those that the gateway keeps are not told: %v", err)
		return
	}
	for _, c := range answer.Credentials {
		if c.Source != "store" {
			continue
		}
		result := checkOK
		if c.State == host.CredentialRefused {
			result = checkFailed
		}
		d.add("credentials", result, "signalbox credential rotate "+c.Provider+" "+c.Name,
			"provider %s, credential %s: the gateway keeps it and has it as %s; it was not tried from here", c.Provider, c.Name, c.State)
	}
}
