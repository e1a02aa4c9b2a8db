"""Stands in for docker-py, so that ministack runs its ECS state machine where there is no Docker.

A container is a record. Its image's tag says how it goes: `-crash` exits with 1 soon after it has started, `-nopull`
cannot be pulled, anything else runs until it is stopped.
"""

import hashlib
import threading
import time
import types
import uuid

from . import errors

_containers = {}
_names_of_digests = {}
_lock = threading.RLock()


class Container:
    def __init__(self, image, options):
        self.id = uuid.uuid4().hex
        self.short_id = self.id[:12]
        self.image = image
        self.name = options.get("name")
        self.labels = options.get("labels") or {}
        self.code = 1 if "-crash" in image else 0
        self.ends = time.time() + 0.3 if "-crash" in image else None
        address = f"127.0.0.{2 + len(_containers) % 250}"
        networks = {"bridge": {"IPAddress": address}}
        self.attrs = {
            "NetworkSettings": {"Networks": networks, "IPAddress": address},
            "State": {"Status": "running"},
        }

    @property
    def status(self):
        return "exited" if self.ends and time.time() >= self.ends else "running"

    def reload(self):
        pass

    def wait(self, **_):
        return {"StatusCode": self.code}

    def stop(self, **_):
        self.ends = min(self.ends or time.time(), time.time())

    kill = stop

    def remove(self, **_):
        with _lock:
            _containers.pop(self.id, None)

    def logs(self, stream=False, **_):
        return iter([b"line\n"]) if stream else b"line\n"


class _Images:
    def get_registry_data(self, image, **_):
        if "-nopull" in image:
            raise errors.APIError("manifest unknown")
        digest = "sha256:" + hashlib.sha256(image.encode()).hexdigest()
        _names_of_digests[digest] = image
        return types.SimpleNamespace(id=digest)

    def pull(self, image, **_):
        if "-nopull" in image:
            raise errors.ImageNotFound("pull access denied for " + image)
        return types.SimpleNamespace(tag=lambda *_, **__: True)

    def get(self, image):
        if "-nopull" in image:
            raise errors.ImageNotFound(image)
        return types.SimpleNamespace()


class _Containers:
    def run(self, image, **options):
        container = Container(_names_of_digests.get(image.split("@")[-1], image), options)
        with _lock:
            _containers[container.id] = container
        return container

    def get(self, wanted):
        with _lock:
            for container in _containers.values():
                if wanted in (container.id, container.name):
                    return container
        raise errors.NotFound(wanted)

    def list(self, **_):
        return []


class DockerClient:
    def __init__(self, *_, **__):
        self.images = _Images()
        self.containers = _Containers()
        self.networks = types.SimpleNamespace()

    def ping(self):
        return True


def from_env(**_):
    return DockerClient()
