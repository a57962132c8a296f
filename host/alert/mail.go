package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"strings"
	"time"
)

func (r *Receiver) checkMail() error {
	if _, _, err := net.SplitHostPort(r.SMTP); err != nil {
		return fmt.Errorf("smtp is %q: write it as mail.example.com:587", r.SMTP)
	}
	if _, err := mail.ParseAddress(r.From); err != nil {
		return fmt.Errorf("from is %q: write it as signalbox@example.com", r.From)
	}
	if len(r.To) == 0 {
		return errors.New("to is missing: name who gets the mail")
	}
	for _, to := range r.To {
		if _, err := mail.ParseAddress(to); err != nil {
			return fmt.Errorf("to is %q: write it as ops@example.com", to)
		}
	}
	switch {
	case r.TLS != "" && r.TLS != "starttls" && r.TLS != "tls" && r.TLS != "none":
		return fmt.Errorf("tls is %q: give starttls, tls or none", r.TLS)
	case r.TLS == "none" && r.Password != "":
		return errors.New("a password would travel unencrypted: give tls: starttls or tls")
	}
	return nil
}

// mail hands the event to a mail server.
func (s *sender) mail(ctx context.Context, r *Receiver, e *Event) error {
	c, err := s.connect(ctx, r)
	if err != nil {
		return err
	}
	defer c.Close()
	from, err := mail.ParseAddress(r.From)
	if err == nil && r.User != "" {
		err = c.Auth(smtp.PlainAuth("", r.User, r.Password, hostOf(r.SMTP)))
	}
	if err == nil {
		err = c.Mail(from.Address)
	}
	for _, text := range r.To {
		if err != nil {
			break
		}
		var to *mail.Address
		if to, err = mail.ParseAddress(text); err == nil {
			err = c.Rcpt(to.Address)
		}
	}
	if err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err = w.Write(letter(r, e)); err == nil {
		err = w.Close()
	}
	if err != nil {
		return err
	}
	_ = c.Quit() // the server has taken it
	return nil
}

func hostOf(addr string) string {
	host, _, _ := strings.Cut(addr, ":")
	if h, _, err := net.SplitHostPort(addr); err == nil {
		host = h
	}
	return host
}

// connect greets the server and encrypts the connection as r asks for.
func (s *sender) connect(ctx context.Context, r *Receiver) (*smtp.Client, error) {
	conn, err := s.dialer(r)(ctx, "tcp", r.SMTP)
	if err != nil {
		return nil, err
	}
	if until, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(until) // fails on a closed connection alone, as what follows does
	}
	cfg := &tls.Config{ServerName: hostOf(r.SMTP), RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	if r.TLS == "tls" {
		conn = tls.Client(conn, cfg)
	}
	c, err := smtp.NewClient(conn, hostOf(r.SMTP))
	if err != nil {
		conn.Close()
		return nil, err
	}
	if r.TLS != "tls" && r.TLS != "none" {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			err = errors.New("the mail server does not offer STARTTLS: give tls: tls, or tls: none")
		} else {
			err = c.StartTLS(cfg)
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// letter is the message with its headers. Its id is that of the alert, so that
// one that is sent twice is seen once.
func letter(r *Receiver, e *Event) []byte {
	b := &bytes.Buffer{}
	head := func(name, value string) { fmt.Fprintf(b, "%s: %s\r\n", name, value) }
	address := func(text string) string {
		a, err := mail.ParseAddress(text)
		if err != nil {
			return "" // checked before
		}
		return a.String()
	}
	to := make([]string, len(r.To))
	for i := range r.To {
		to[i] = address(r.To[i])
	}
	head("From", address(r.From))
	head("To", strings.Join(to, ", "))
	head("Subject", mime.QEncoding.Encode("utf-8", "Signalbox: "+e.Scope+" ("+e.Type+")"))
	head("Date", e.Time.Format(time.RFC1123Z))
	head("Message-ID", "<"+e.ID+"@signalbox>")
	head("Auto-Submitted", "auto-generated")
	head("MIME-Version", "1.0")
	head("Content-Type", "text/plain; charset=utf-8")
	head("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(b)
	fmt.Fprintf(q, "%s\r\n\r\nTime: %s\r\nNode: %s\r\nAlert: %s\r\n", e.Message, e.Time.Format(time.RFC3339), e.Node, e.ID)
	_ = q.Close() // a buffer takes all
	return b.Bytes()
}
