package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/signalbox-ai/signalbox/sdk/provider"
)

const assumed = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser><Arn>arn</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role/secret</SecretAccessKey><SessionToken>role-session==</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`

// tokens starts an adapter whose Token is called directly.
func tokens(t *testing.T, u *upstream) *bedrock {
	t.Helper()
	start(t, u, "")
	b := &bedrock{now: time.Now}
	cfg := provider.Config{JSON: []byte(fmt.Sprintf(`{"region":"eu-central-1","base_url":%q,"sts_url":%q,"imds_url":%q}`, u.url, u.url+"/sts", u.url+"/imds")), Hosts: hostsFor(t, u.url)}
	if _, err := b.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.current.Load().client.CloseIdleConnections)
	return b
}

func TestStaticCredentialsStay(t *testing.T) {
	for _, c := range []provider.Secret{static, "ABSKQmVk", `{"access_key_id":"a","secret_access_key":"b"}`} {
		got, err := (&bedrock{now: time.Now}).Token(t.Context(), c)
		if err != nil || got.Value != c || !got.Expires.IsZero() {
			t.Errorf("got %q until %v, %v", string(got.Value), got.Expires, err)
		}
	}
}

func TestRoleIsAssumed(t *testing.T) {
	u := &upstream{t: t, answer: says(200, "", assumed)}
	b := tokens(t, u)
	got, err := b.Token(t.Context(), `{"access_key_id":"`+keyID+`","secret_access_key":"`+secret+`","role_arn":"arn:aws:iam::1:role/r","external_id":"x y"}`)
	want := `{"access_key_id":"ASIAROLE","secret_access_key":"role/secret","session_token":"role-session=="}`
	if err != nil || string(got.Value) != want || !got.Expires.Equal(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("got %s until %v, %v", string(got.Value), got.Expires, err)
	}
	if form := string(u.body); form != "Action=AssumeRole&ExternalId=x+y&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=signalbox&Version=2011-06-15" || u.path != "/sts/" {
		t.Errorf("asked %s %s", u.path, form)
	}
	c, err := parseCredential(got.Value) // what the gateway hands back with each request
	if err != nil || c.minted() || c.SessionToken != "role-session==" {
		t.Errorf("%v", err)
	}
}

func TestKeysOfInstances(t *testing.T) {
	u := &upstream{t: t}
	u.answer = func(w http.ResponseWriter, r *http.Request, _ []byte) {
		h := r.Header
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/imds/latest/api/token" && h.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != "":
			fmt.Fprint(w, "imds-token")
		case h.Get("X-Aws-Ec2-Metadata-Token") != "imds-token":
			w.WriteHeader(401)
		case r.URL.Path == "/imds/latest/meta-data/iam/security-credentials/":
			fmt.Fprint(w, "my-role\n")
		case r.URL.Path == "/imds/latest/meta-data/iam/security-credentials/my-role":
			fmt.Fprint(w, `{"Code":"Success","AccessKeyId":"ASIAI","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-02T03:04:05Z"}`)
		default:
			w.WriteHeader(404)
		}
	}
	b := tokens(t, u)
	u.keys = aws.Credentials{} // nothing is signed
	got, err := b.Token(t.Context(), `{"source":"instance"}`)
	if err != nil || string(got.Value) != `{"access_key_id":"ASIAI","secret_access_key":"s","session_token":"t"}` || got.Expires.Year() != 2030 {
		t.Errorf("got %s until %v, %v", string(got.Value), got.Expires, err)
	}
}

func TestKeysOfContainers(t *testing.T) {
	u := &upstream{t: t}
	u.answer = func(w http.ResponseWriter, r *http.Request, _ []byte) {
		if r.Header.Get("Authorization") != "pod-token" || r.URL.Path != "/v1/credentials" {
			w.WriteHeader(403)
		}
		fmt.Fprint(w, `{"AccessKeyId":"ASIAC","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-02T03:04:05Z"}`)
	}
	b := tokens(t, u)
	u.keys = aws.Credentials{}
	got, err := b.Token(t.Context(), provider.Secret(`{"source":"container","url":"`+u.url+`/v1/credentials","token":"pod-token"}`))
	if err != nil || !strings.Contains(string(got.Value), "ASIAC") {
		t.Errorf("got %s, %v", string(got.Value), err)
	}
}

// TestTokensRefused: errors say what failed, and hold no secrets.
func TestTokensRefused(t *testing.T) {
	f := func(credential, answer string, status int, want string) {
		t.Helper()
		u := &upstream{t: t, answer: says(status, "", answer)}
		b := tokens(t, u)
		u.keys = aws.Credentials{}
		_, err := b.Token(t.Context(), provider.Secret(credential))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v; want %q in it", credential, err, want)
		}
	}
	role := `{"access_key_id":"a","secret_access_key":"hush","role_arn":"r"}`
	f(role, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>hush</Message></Error></ErrorResponse>`, 403, "answered 403 (AccessDenied)")
	f(role, `<x>hush</x>`, 200, "holds no keys")
	f(`{"source":"instance"}`, "hush", 404, "instance's metadata")
	f(`{"source":"container","url":"http://[hush"}`, "", 200, "url is not one")
	f(`{"source":"container","url":"http://169.254.170.2/x"}`, "", 200, "169.254.170.2") // not among the hosts
	f("hush", "", 200, "no known form")
}
