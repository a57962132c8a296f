package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/meter"
)

// How far clocks may be apart: windows of budgets and tokens go by them.
const (
	skewWarns = 2 * time.Second
	skewFails = 30 * time.Second
)

// gateway asks the one that runs, if there is one.
func (d *doctor) gateway(ctx context.Context) {
	api, err := d.a.open()
	if err != nil {
		d.add("gateway", checkWarning, "start it with signalbox serve", "none runs here: %v", err)
		return
	}
	var status struct {
		Started   time.Time
		Providers []struct {
			Provider, State string
			LastError       string `json:"last_error"`
		}
	}
	api.http.Timeout = 5 * time.Second
	if err := api.do(ctx, http.MethodGet, "/admin/status", nil, &status); err != nil {
		if strings.Contains(err.Error(), "cannot reach") {
			d.add("gateway", checkWarning, "start it with signalbox serve, if it is to run", "none answers at %s", api.address)
			return
		}
		d.alive = true
		d.add("gateway", checkFailed, "give its --token", "it answers at %s, but not to us: %v", api.address, err)
		return
	}
	d.alive = true
	d.add("gateway", checkOK, "", "runs at %s since %s", api.address, second(status.Started))
	if d.tries {
		d.kept(ctx, api)
	}
	for _, p := range status.Providers {
		if p.State != "running" && p.State != "draining" && p.State != "stopped" {
			d.add("gateway", checkFailed, "see signalbox plugin logs "+p.Provider, "the adapter of provider %s is %s: %s", p.Provider, p.State, p.LastError)
		}
	}
	resp, err := api.http.Get(api.url("/readyz"))
	if err != nil {
		d.add("gateway", checkFailed, "see its log", "it does not say whether it is ready: %v", err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text := make([]byte, 300)
		n, _ := resp.Body.Read(text)
		d.add("gateway", checkFailed, "see its log", "it is not ready: %s", strings.TrimSpace(string(text[:n])))
	}
}

// ports checks that the addresses are free, or the running gateway's.
func (d *doctor) ports() {
	for _, at := range [][2]string{{"listen.data", d.cfg.Listen.Data}, {"listen.admin", d.cfg.Listen.Admin}} {
		name, addr := at[0], at[1]
		ln, err := net.Listen("tcp", addr)
		switch {
		case err == nil:
			ln.Close()
			d.add("ports", checkOK, "", "%s %s is free", name, addr)
		case d.alive:
			d.add("ports", checkOK, "", "%s %s is taken, by the gateway that runs", name, addr)
		default:
			who := holder(addr)
			d.add("ports", checkFailed, "end what listens there, or choose another address under "+name, "%s %s cannot be had%s: %v", name, addr, who, err)
		}
	}
}

// holder names the process that listens at addr, where this system tells.
func holder(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	socket := ""
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(file) // none: another system
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) {
				socket = "socket:[" + f[9] + "]"
			}
		}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && socket != "" && to == socket {
			pid := strings.Split(link, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf(" (%s, process %s)", harmless(strings.TrimSpace(string(name))), pid)
		}
	}
	return ""
}

func (d *doctor) certificates() {
	for _, of := range [][2]string{{"listen.tls.cert", d.cfg.Listen.TLS.Cert}, {"admin.tls.cert", d.cfg.Admin.TLS.Cert}} {
		name, file := of[0], of[1]
		if file == "" {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			d.add("certificates", checkFailed, "correct the path, or who may read it", "%s: %v", name, err)
			continue
		}
		block, _ := pem.Decode(raw)
		if block == nil {
			d.add("certificates", checkFailed, "give the certificate in PEM, with its chain", "%s: %s holds none", name, file)
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			d.add("certificates", checkFailed, "give the certificate in PEM, with its chain", "%s: %v", name, err)
			continue
		}
		left := time.Until(cert.NotAfter)
		result := checkOK
		switch {
		case left <= 0 || time.Until(cert.NotBefore) > 0:
			result = checkFailed
		case left < 21*24*time.Hour:
			result = checkWarning
		}
		d.add("certificates", result, "renew it: the file is read again as it changes", "%s is good from %s to %s", name, day(cert.NotBefore), day(cert.NotAfter))
	}
}

// skew judges how far a clock is ahead of this one.
func (d *doctor) skew(whose string, ahead time.Duration) {
	off := ahead.Abs()
	result := checkOK
	switch {
	case off > skewFails:
		result = checkFailed
	case off > skewWarns:
		result = checkWarning
	}
	d.add("clock", result, "keep the clock with chrony or systemd-timesyncd: windows of budgets and signed requests go by it", "%s is %s off", whose, off.Round(time.Millisecond))
}

func (d *doctor) redis(ctx context.Context) {
	url := d.cfg.Counters.URL.Reveal()
	if url == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := host.TryRedis(ctx, url); err != nil {
		d.add("redis", checkFailed, "see that it runs, and that counters.url leads there: without it each gateway counts by itself", "%v", err)
		return
	}
	d.add("redis", checkOK, "", "answers")
}

func (d *doctor) adapters(ctx context.Context) {
	list, err := host.TryAdapters(ctx, d.cfg, d.tries)
	if err != nil {
		d.add("adapters", checkFailed, "see that the temporary folder can be written", "%v", err)
	}
	for _, t := range list {
		if t.Err != nil {
			d.add("adapters", checkFailed, "signalbox check and signalbox plugin verify tell more", "provider %s: %v", t.Provider, t.Err)
			continue
		}
		d.add("adapters", checkOK, "", "provider %s: %s %s starts; %s", t.Provider, t.Adapter, t.Version, t.Isolation)
		for _, h := range t.Hosts {
			at := d.hosts[h]
			at.of, at.through = append(at.of, t.Provider), at.through || t.Through
			d.hosts[h] = at
		}
		for _, c := range t.Credentials {
			d.tried(t.Provider, c)
		}
	}
}

// upstreams reaches where providers are, without any credential.
func (d *doctor) upstreams(ctx context.Context) {
	for _, addr := range sorted(d.hosts) {
		ahead, told, err := reach(ctx, addr)
		names := strings.Join(compact(d.hosts[addr].of), ", ")
		if err != nil && d.hosts[addr].through {
			d.add("upstream", checkWarning, "see DNS, firewall and proxy, if the adapter needs it: it chooses among the hosts that it may ask", "%s of %s: %v", addr, names, err)
			continue
		}
		if err != nil {
			d.add("upstream", checkFailed, "see DNS, firewall and proxy: the gateway connects by itself", "%s of %s: %v", addr, names, err)
			continue
		}
		d.add("upstream", checkOK, "", "%s of %s can be reached", addr, names)
		if told {
			d.skew(addr, ahead)
		}
	}
}

func compact(list []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// reach asks what is at addr for its Date: by TLS at port 443, and where a
// handshake is answered.
func reach(ctx context.Context, addr string) (ahead time.Duration, told bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	dialer := &net.Dialer{Timeout: 4 * time.Second}
	scheme := "http"
	if strings.HasSuffix(addr, ":443") {
		scheme = "https"
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, scheme+"://"+addr+"/", http.NoBody)
	if err != nil {
		return 0, false, err
	}
	before := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, false, err
	}
	resp.Body.Close()
	theirs, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, false, nil // who tells no time has been reached all the same
	}
	now := before.Add(time.Since(before) / 2)
	return theirs.Add(500 * time.Millisecond).Sub(now), true, nil // it tells whole seconds
}

// pricesAge is how old the newest shipped price is.
func pricesAge(cfg *config.Config) (age time.Duration, date string, err error) {
	prices, err := meter.NewCatalog(cfg.PriceOverrides(), cfg.PriceFiles...)
	if err != nil {
		return 0, "", err
	}
	return time.Since(prices.AsOf()), day(prices.AsOf()), nil
}
