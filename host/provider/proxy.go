package provider

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxConnect bounds the head of a proxy's answer.
const maxConnect = 8 << 10

// proxyOf is the proxy that the gateway's own environment names for u.
func proxyOf(u *url.URL) (*url.URL, error) { return http.ProxyFromEnvironment(&http.Request{URL: u}) }

// throughProxy asks an HTTP proxy for a connection to addr. What it resolves
// the name to is the proxy's business.
func throughProxy(ctx context.Context, proxy *url.URL, addr string) (*net.TCPConn, error) {
	if proxy.Scheme != "http" {
		return nil, fmt.Errorf("cannot use the proxy: its scheme is %q; only http works for adapters whose network is fenced", proxy.Scheme)
	}
	at := proxy.Host
	if proxy.Port() == "" {
		at = net.JoinHostPort(proxy.Hostname(), "80")
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the proxy: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	err = connect(c, proxy.User, addr)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot connect to %s by the proxy: %w", addr, err)
	}
	return c.(*net.TCPConn), nil
}

// connect speaks CONNECT. It reads byte by byte: what follows the answer's
// head is for whoever gets the connection.
func connect(c net.Conn, user *url.Userinfo, addr string) error {
	request := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n"
	if user != nil {
		password, _ := user.Password()
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)) + "\r\n"
	}
	if _, err := c.Write([]byte(request + "\r\n")); err != nil {
		return err
	}
	head := make([]byte, 0, 256)
	for !strings.HasSuffix(string(head), "\r\n\r\n") {
		if len(head) == maxConnect {
			return errors.New("its answer is too long")
		}
		var b [1]byte
		if _, err := c.Read(b[:]); err != nil {
			return err
		}
		head = append(head, b[0])
	}
	line, _, _ := strings.Cut(string(head), "\r\n")
	version, status, _ := strings.Cut(line, " ")
	if !strings.HasPrefix(version, "HTTP/1.") || !strings.HasPrefix(status, "200") {
		return fmt.Errorf("it answers %q", clip(line))
	}
	return nil
}
