package alert

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"
)

// post is a mail server that speaks RFC 5321, 3207 and 4954 to the letter: what
// does not come in the order and form that they ask for is refused.
type post struct {
	net.Listener
	cert     tls.Certificate
	roots    *x509.CertPool
	offers   []string // extensions before STARTTLS
	implicit bool
	fail     map[string]string // answer to a verb
	got      chan letterTaken
}

type letterTaken struct {
	from, auth string
	to         []string
	encrypted  bool
	text       string
}

func newPost(t *testing.T, set func(*post)) *post {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil) // for its certificate, of 127.0.0.1
	srv.StartTLS()
	defer srv.Close()
	p := &post{cert: srv.TLS.Certificates[0], roots: x509.NewCertPool(), offers: []string{"STARTTLS"}, fail: map[string]string{}, got: make(chan letterTaken, 1)}
	p.roots.AddCert(srv.Certificate())
	if set != nil {
		set(p)
	}
	var err error
	if p.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := p.Accept()
			if err != nil {
				return
			}
			if err := p.talk(conn); err != nil {
				t.Error(err)
			}
		}
	}()
	t.Cleanup(func() { p.Close(); <-ended })
	return p
}

func (p *post) config() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{p.cert}} }

var (
	mailFrom = regexp.MustCompile(`^MAIL FROM:<([^<>\s]+)>(?: BODY=8BITMIME)?(?: SMTPUTF8)?$`)
	rcptTo   = regexp.MustCompile(`^RCPT TO:<([^<>\s]+)>$`)
)

// line is a conversation with one client.
type line struct {
	*post
	conn    net.Conn
	in      *bufio.Reader
	taken   letterTaken
	greeted bool
}

func (l *line) say(lines ...string) {
	for i, text := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		fmt.Fprintf(l.conn, "%s%s%s\r\n", text[:3], sep, text[4:])
	}
}

func (p *post) talk(conn net.Conn) error {
	l := &line{post: p, conn: conn}
	defer func() { l.conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if p.implicit {
		l.conn, l.taken.encrypted = tls.Server(conn, p.config()), true
	}
	l.in = bufio.NewReader(l.conn)
	l.say("220 post.example.com ESMTP")
	for {
		text, err := l.in.ReadString('\n')
		if err != nil || !strings.HasSuffix(text, "\r\n") {
			return nil // the client has left, as one does that is refused
		}
		text = strings.TrimSuffix(text, "\r\n")
		verb := strings.ToUpper(strings.Fields(text + " x")[0])
		switch answer := p.fail[verb]; {
		case answer != "":
			l.say(answer)
		case text == "QUIT":
			l.say("221 bye")
			return nil
		case verb == "EHLO":
			l.hello()
		case !l.greeted:
			return fmt.Errorf("%q before EHLO", text)
		case text == "STARTTLS" && !l.taken.encrypted:
			l.say("220 go ahead")
			secure := tls.Server(l.conn, p.config())
			if err := secure.Handshake(); err != nil {
				return nil // the client does not trust the certificate
			}
			l.conn, l.in, l.taken.encrypted, l.greeted = secure, bufio.NewReader(secure), true, false
		default:
			if err := l.command(text); err != nil {
				return err
			}
		}
	}
}

func (l *line) hello() {
	l.greeted = true
	lines := []string{"250 post.example.com"}
	if l.taken.encrypted {
		lines = append(lines, "250 AUTH PLAIN")
	} else {
		for _, o := range l.offers {
			lines = append(lines, "250 "+o)
		}
	}
	l.say(lines...)
}

// command carries out what belongs to a letter.
func (l *line) command(text string) (err error) {
	switch {
	case strings.HasPrefix(text, "AUTH PLAIN ") && l.taken.encrypted:
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "AUTH PLAIN "))
		if err != nil {
			return err
		}
		l.taken.auth = string(raw)
		l.say("235 welcome")
	case text == "*" && l.fail["AUTH"] != "": // given up, as RFC 4954 has it
		l.say("501 so be it")
	case mailFrom.MatchString(text) && l.taken.from == "":
		l.taken.from = mailFrom.FindStringSubmatch(text)[1]
		l.say("250 ok")
	case rcptTo.MatchString(text) && l.taken.from != "":
		l.taken.to = append(l.taken.to, rcptTo.FindStringSubmatch(text)[1])
		l.say("250 ok")
	case text == "DATA" && len(l.taken.to) > 0:
		l.say("354 end with a dot")
		if l.taken.text, err = readDotted(l.in); err != nil {
			return err
		}
		l.say("250 taken")
		l.got <- l.taken
	default:
		return fmt.Errorf("a mail server does not understand %q here", text)
	}
	return nil
}

// readDotted reads up to a line with a dot alone and undoes the stuffing.
func readDotted(in *bufio.Reader) (string, error) {
	text := &strings.Builder{}
	for {
		line, err := in.ReadString('\n')
		if err != nil || !strings.HasSuffix(line, "\r\n") || len(line) > 1000 {
			return "", fmt.Errorf("a line of a letter is %q: %v", line, err)
		}
		if line == ".\r\n" {
			return text.String(), nil
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
}

func send(t *testing.T, p *post, change func(*Receiver)) error {
	t.Helper()
	r := Receiver{SMTP: p.Addr().String(), From: "Signalbox <signalbox@example.com>", To: []string{"ops@example.com", "Ann <ann@example.com>"}}
	if change != nil {
		change(&r)
	}
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	s := sender{roots: p.roots, timeout: 10 * time.Second, now: time.Now}
	return s.send(t.Context(), &r, &Event{ID: "alert_7", Type: KindBudget, Time: noon, Node: "n1", Scope: "team/größe", Message: "team/größe has spent 5 of 10 USD\n.\nmore"})
}

func TestMail(t *testing.T) {
	f := func(set func(*post), change func(*Receiver), encrypted bool, auth string) {
		t.Helper()
		p := newPost(t, set)
		if err := send(t, p, change); err != nil {
			t.Fatal(err)
		}
		got := <-p.got
		if got.encrypted != encrypted || got.auth != auth || got.from != "signalbox@example.com" || strings.Join(got.to, " ") != "ops@example.com ann@example.com" {
			t.Errorf("taken %+v", got)
		}
		m, err := mail.ReadMessage(strings.NewReader(got.text))
		if err != nil {
			t.Fatal(err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		body, err2 := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil || err2 != nil || subject != "Signalbox: team/größe (budget)" || m.Header.Get("Message-Id") != "<alert_7@signalbox>" ||
			!strings.HasPrefix(strings.ReplaceAll(string(body), "\r\n", "\n"), "team/größe has spent 5 of 10 USD\n.\nmore\n") {
			t.Errorf("%v %v subject %q, body %q", err, err2, subject, body)
		}
		if at, err := m.Header.Date(); err != nil || !at.Equal(noon) {
			t.Errorf("date %v, %v", at, err)
		}
		if to, err := m.Header.AddressList("To"); err != nil || len(to) != 2 || to[1].Name != "Ann" {
			t.Errorf("to %v, %v", to, err)
		}
	}
	f(nil, nil, true, "")
	f(nil, func(r *Receiver) { r.User, r.Password = "box", "hush" }, true, "\x00box\x00hush")
	f(func(p *post) { p.implicit = true }, func(r *Receiver) { r.TLS = "tls" }, true, "")
	f(func(p *post) { p.offers = nil }, func(r *Receiver) { r.TLS = "none" }, false, "")
}

func TestMailFails(t *testing.T) {
	f := func(set func(*post), change func(*Receiver), want string) {
		t.Helper()
		err := send(t, newPost(t, set), change)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v; want %q", err, want)
		}
	}
	// A server, or someone between, that hides STARTTLS gets nothing.
	f(func(p *post) { p.offers = nil }, func(r *Receiver) { r.User, r.Password = "box", "hush" }, "does not offer STARTTLS")
	f(func(p *post) { p.roots = x509.NewCertPool() }, nil, "certificate")
	f(func(p *post) { p.fail["AUTH"] = "535 wrong password" }, func(r *Receiver) { r.User, r.Password = "box", "hush" }, `535 "wrong`)
	f(func(p *post) { p.fail["RCPT"] = "550 no such user" }, nil, `550 "no such user"`)
	f(func(p *post) { p.fail["DATA"] = "451 try later" }, nil, `451 "try later"`)
	f(nil, func(r *Receiver) { r.Fenced = true }, "not public")
}
