package nodes

import "testing"

func TestALogIsShortenedAsAKubeletDoes(t *testing.T) {
	for _, c := range []struct{ text, lines, bytes, want string }{
		{"a\nb\nc\n", "", "", "a\nb\nc\n"},
		{"a\nb\nc\n", "2", "", "b\nc"},
		{"a\nb\nc", "9", "", "a\nb\nc"},
		{"a\nbcd\n", "1", "2", "bc"},
		{"", "10", "16", ""},
	} {
		if got := shortened(c.text, c.lines, c.bytes); got != c.want {
			t.Errorf("shortened(%q, %q, %q) = %q, not %q", c.text, c.lines, c.bytes, got, c.want)
		}
	}
}
