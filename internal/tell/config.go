// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// A Config says who is told, and what messages call this cluster. It is read from the file of --notify.
type Config struct {
	Cluster string   `json:"cluster,omitempty"` // as messages call it
	Console string   `json:"console,omitempty"` // the address of the console, which messages link to
	Targets []Target `json:"targets"`
}

// A Target is one receiver of messages.
type Target struct {
	Name       string `json:"name"`                 // in logs, metrics and the outbox: renaming it is a new target
	Kind       string `json:"kind"`                 // alertmanager, webhook or chat
	URL        string `json:"url,omitempty"`        // of Alertmanager, of the hook, or as shoutrrr writes it
	URLFile    string `json:"urlFile,omitempty"`    // a file that has it instead
	KeyFile    string `json:"keyFile,omitempty"`    // of a webhook: the key that signs
	BearerFile string `json:"bearerFile,omitempty"` // of Alertmanager: a token to send
	Private    bool   `json:"private,omitempty"`    // whether it may have a private or loopback address

	url *url.URL
	key []byte
}

// The kinds of target.
const (
	kindAlertmanager = "alertmanager"
	kindWebhook      = "webhook"
	kindChat         = "chat"
)

// mostTargets bounds the goroutines, and the rows of each incident.
const mostTargets = 32

// ReadConfig reads the file of --notify and what it names.
func ReadConfig(name string) (*Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read who is to be told: %w", err)
	}
	c := &Config{}
	if err := yaml.UnmarshalStrict(data, c); err != nil {
		return nil, fmt.Errorf("read who is to be told: %s is not as docs/notifications.md has it: %w", name, withoutValues(err))
	}
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("read who is to be told: %s: %w", name, err)
	}
	return c, nil
}

// withoutValues keeps what a parser says of fields, but not what it quotes of their values.
func withoutValues(err error) error {
	text := err.Error()
	if i := strings.Index(text, "unknown field"); i >= 0 {
		return errors.New(text[i:])
	}
	return errors.New("a field has the wrong type, or the file is no YAML")
}

// Check tells what is wrong with it, and reads the secrets that it names.
func (c *Config) Check() error {
	if c.Console != "" {
		if u, err := url.Parse(c.Console); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return errors.New("console is no address of a page, as https://inquest.example.com")
		}
	}
	if len(c.Targets) > mostTargets {
		return fmt.Errorf("it has %d targets, at most %d can be told", len(c.Targets), mostTargets)
	}
	var names []string
	for i := range c.Targets {
		t := &c.Targets[i]
		if t.Name == "" || line(t.Name, maxName) != t.Name {
			return fmt.Errorf("target %d needs a short name", i+1)
		}
		if slices.Contains(names, t.Name) {
			return fmt.Errorf("two targets are named %s", t.Name)
		}
		names = append(names, t.Name)
		if err := t.check(); err != nil {
			return fmt.Errorf("target %s: %w", t.Name, err)
		}
	}
	return nil
}

func (t *Target) check() (err error) {
	if (t.URL == "") == (t.URLFile == "") {
		return errors.New("give one of url and urlFile")
	}
	text := t.URL
	if t.URLFile != "" {
		if text, err = secret(t.URLFile); err != nil {
			return err
		}
	}
	if t.url, err = url.Parse(text); err != nil || t.url.Scheme == "" || t.url.Host == "" {
		return errors.New("its url is none") // which error of the parser would quote it
	}
	switch t.Kind {
	case kindAlertmanager, kindWebhook:
		if t.url.Scheme != "https" && t.url.Scheme != "http" {
			return errors.New("its url has to begin with https:// or http://")
		}
	case kindChat:
		return chatCheck(t.url)
	default:
		return fmt.Errorf("its kind has to be %s, %s or %s", kindAlertmanager, kindWebhook, kindChat)
	}
	file := t.BearerFile
	if t.Kind == kindWebhook {
		if file = t.KeyFile; file == "" {
			return errors.New("a webhook needs keyFile: the key that signs what is sent")
		}
	}
	if file == "" {
		return nil
	}
	key, err := secret(file)
	t.key = []byte(key)
	return err
}

// secret reads a file with one secret. Its end of line does not belong to it.
func secret(name string) (string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" || len(text) > 64<<10 {
		return "", fmt.Errorf("read a secret: %s is empty or too large", name)
	}
	return text, nil
}
