package nodes

import (
	"crypto/sha256"
	"fmt"

	"github.com/distribution/reference"
)

// imageName is how containerd reads an image reference: docker.io and the tag latest are filled in.
type imageName struct {
	host, path, repository, tag, digest string
}

func parseImage(ref string) (imageName, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return imageName{}, err
	}
	n := imageName{host: reference.Domain(named), path: reference.Path(named), repository: named.Name()}
	named = reference.TagNameOnly(named)
	if tagged, ok := named.(reference.Tagged); ok {
		n.tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		n.digest = digested.Digest().String()
	}
	return n, nil
}

func (n imageName) String() string {
	if n.digest != "" {
		return n.repository + "@" + n.digest
	}
	return n.repository + ":" + n.tag
}

// identity is what the status of a container says of its image once it was created: the image as containerd names
// it, which can be another tag of the same digest, and repository@digest, which is reliable.
func (b Behaviour) identity(ref string) (image, imageID string) {
	n, err := parseImage(ref)
	if err != nil {
		return ref, ""
	}
	image = n.String()
	if b.ReportedImage != "" {
		image = b.ReportedImage
	}
	digest := n.digest
	if digest == "" {
		digest = b.Digest
	}
	if digest == "" {
		digest = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(n.repository+":"+n.tag)))
	}
	return image, n.repository + "@" + digest
}

// pullMessage is what containerd 2.4 says of a failed pull.
func (p Pull) pullMessage(ref string) string {
	if p.Message != "" {
		return p.Message
	}
	n, err := parseImage(ref)
	full := n.String()
	if err != nil {
		n, full = imageName{host: "registry.invalid", path: ref, tag: "latest"}, ref
	}
	prefix := fmt.Sprintf("failed to pull and unpack image %q: failed to resolve image: ", full)
	switch p.Fail {
	case PullUnauthorized:
		return prefix + "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"
	case PullTransient:
		return prefix + fmt.Sprintf("failed to do request: Head \"https://%s/v2/%s/manifests/%s\": dial tcp 192.0.2.10:443: i/o timeout", n.host, n.path, n.tag)
	case PullInvalidName:
		return fmt.Sprintf("Failed to apply default image tag %q: couldn't parse image name %q: invalid reference format", ref, ref)
	default:
		return prefix + full + ": not found"
	}
}
