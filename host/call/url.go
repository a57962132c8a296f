package call

import (
	"fmt"
	"net"
	"net/url"
)

// SecureURL says what is wrong with the address of something that is trusted:
// what is not encrypted could be anybody's, unless it is on this machine.
func SecureURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%q is not an address: write it as https://login.example.com", text)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("%q must begin with https://: what comes unencrypted could be anybody's", text)
}
