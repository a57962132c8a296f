package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/seal"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/postgres"
)

// vault is a node that reads and writes secrets.
type vault struct {
	*postgres.Store
	ring *seal.Ring
}

const secretClass = "credential"

func place(name string) string { return "credential/p/" + name }

// plain is what the nth secret of the name says.
func plain(name string, n int) string { return fmt.Sprint("the secret of ", name, ", ", n) }

func (v *vault) sealed(ctx context.Context, name, text string) (c store.Credential, err error) {
	c = store.Credential{Provider: "p", Name: name, Weight: 1, Created: time.Unix(1, 0)}
	c.Sealed, err = v.ring.Seal(ctx, secretClass, place(name), []byte(text))
	return c, err
}

// readable opens all secrets, and counts those that are not under the key in use.
func (v *vault) readable(ctx context.Context) (all map[string]string, old int, err error) {
	list, err := v.Credentials(ctx, time.Now())
	all = map[string]string{}
	for _, c := range list {
		text, oerr := v.ring.Open(ctx, secretClass, place(c.Name), c.Sealed)
		if oerr != nil {
			err = errors.Join(err, fmt.Errorf("%s cannot be read: %w", c.Name, oerr))
		}
		all[c.Name] = string(text)
		fresh, ferr := v.ring.Fresh(ctx, secretClass, c.Sealed)
		if err = errors.Join(err, ferr); !fresh {
			old++
		}
	}
	return all, old, err
}

// rotate puts a secret in the place of another, which goes.
func (v *vault) rotate(ctx context.Context, name, was, text string) error {
	c, err := v.sealed(ctx, name, text)
	if err != nil {
		return err
	}
	old, err := v.sealed(ctx, name+"~", was)
	if err != nil {
		return err
	}
	old.Retires = time.Now().Add(time.Hour)
	return errors.Join(v.RotateCredential(ctx, c, old), v.RemoveCredential(ctx, "p", old.Name))
}

// reseal seals what is not under the key in use anew, as the gateway does;
// between comes before each is written.
func (v *vault) reseal(ctx context.Context, between func(name string) error) error {
	list, err := v.Credentials(ctx, time.Now())
	for _, c := range list {
		fresh, ferr := v.ring.Fresh(ctx, secretClass, c.Sealed)
		if err = errors.Join(err, ferr); err != nil || fresh {
			continue
		}
		text, oerr := v.ring.Open(ctx, secretClass, place(c.Name), c.Sealed)
		next, serr := v.sealed(ctx, c.Name, string(text))
		if err = errors.Join(err, oerr, serr, between(c.Name)); err == nil {
			err = v.ResealCredential(ctx, next, c.Sealed)
		}
		if errors.Is(err, store.ErrCredentialUnknown) { // it was written anew meanwhile
			err = nil
		}
	}
	return err
}

// TestRekeyAmidReadersAndWriters seals all secrets anew, and wraps their keys
// under another, while other nodes read and write them.
func TestRekeyAmidReadersAndWriters(t *testing.T) {
	url, ctx := pgtest.New(t), context.Background()
	kek := func(text string) *seal.Local {
		l, err := seal.NewLocal(text)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first, second := kek("0123456789abcdef0123456789abcdef"), kek("fedcba9876543210fedcba9876543210")
	vaults := make([]*vault, 3)
	for i := range vaults {
		s, err := postgres.Open(ctx, url, postgres.Options{Node: store.Node{ID: fmt.Sprint("n", i)}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ring, err := seal.Open(ctx, s, first, second)
		if err != nil {
			t.Fatal(err)
		}
		vaults[i] = &vault{s, ring}
	}
	rekeyer, reader, writer := vaults[0], vaults[1], vaults[2]
	const secrets, between = 10, "d" // is written anew just when it is to be sealed anew
	want := map[string]string{}
	for i := range secrets + 1 {
		name := fmt.Sprint("c", i)
		if i == secrets {
			name = between
		}
		want[name] = plain(name, 0)
		c, err := writer.sealed(ctx, name, want[name])
		if err == nil {
			err = writer.AddCredential(ctx, c)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	stop, began := make(chan struct{}), make(chan bool, 2)
	var wg sync.WaitGroup
	during := func(do func(i int) error) {
		wg.Go(func() {
			for i := 0; ; i++ {
				if err := do(i); err != nil {
					t.Error(err)
				}
				if i == 0 {
					began <- true
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	during(func(int) error {
		got, _, err := reader.readable(ctx)
		if err == nil && len(got) < secrets+1 {
			err = fmt.Errorf("the secrets are %v; want %d", got, secrets+1)
		}
		return err
	})
	during(func(i int) error { // the one of each name is written anew, the old one goes soon
		name := fmt.Sprint("c", i%secrets)
		was := want[name]
		want[name] = plain(name, i+1)
		return writer.rotate(ctx, name, was, want[name])
	})
	<-began
	<-began
	if err := rekeyer.ring.Use(ctx, second, first); err != nil {
		t.Fatal(err)
	}
	if n, err := rekeyer.ring.Rewrap(ctx); err != nil || n == 0 {
		t.Fatalf("%d data keys were wrapped anew, %v", n, err)
	}
	if err := errors.Join(rekeyer.ring.Renew(ctx, secretClass), rekeyer.reseal(ctx, func(name string) error {
		if name != between {
			return nil
		}
		return writer.rotate(ctx, between, plain(between, 0), plain(between, 1))
	})); err != nil {
		t.Error(err)
	}
	close(stop)
	wg.Wait()
	want[between] = plain(between, 1)
	if err := rekeyer.reseal(ctx, func(string) error { return nil }); err != nil { // what was sealed just before, and written after
		t.Error(err)
	}
	for _, v := range vaults {
		if got, old, err := v.readable(ctx); err != nil || !maps.Equal(got, want) || old != 0 {
			t.Errorf("the secrets are %v, %d of them under the old key, %v; want %v, none", got, old, err, want)
		}
	}
	classes, err := rekeyer.ring.Classes(ctx)
	if err != nil || len(classes) != 1 || classes[0].Keys != 2 {
		t.Errorf("data keys are %+v, %v; want the old and the new one", classes, err)
	}
	if _, err := seal.Open(ctx, rekeyer.Store, second); err != nil {
		t.Errorf("some need the old key-encryption key: %v", err)
	}
}
