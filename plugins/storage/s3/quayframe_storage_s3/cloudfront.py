"""Signed URLs of a CloudFront distribution."""

from __future__ import annotations

import ipaddress
import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from quayframe.plugin.storage import StorageError, UrlRequest

from .configs import CloudFrontConfig

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class CloudFront:
    """The distribution in front of a bucket. Raises StorageError when its key cannot be read."""

    def __init__(self, config: CloudFrontConfig) -> None:
        self._config = config
        self._signer = _signer(config.cloudfront_key_id, config.cloudfront_privatekey_filename)
        self._region = Region({})
        if config.aws_ip_ranges_filename is not None and config.s3_region:
            self._region = Region.read(found(config.aws_ip_ranges_filename), config.s3_region)

    def serves(self, client_address: str | None) -> bool:
        """Whether a client is better served here: one that is known, and outside of the bucket's region."""
        return client_address is not None and not self._region.has(client_address)

    def url(self, key: str, request: UrlRequest) -> str:
        """A URL of the object `key`, which names the user, the namespace and the repository for the
        distribution's own log."""
        from datetime import UTC, datetime

        host = self._config.cloudfront_distribution_domain
        host = self._config.cloudfront_distribution_org_overrides.get(request.namespace or "", host)
        named = {"username": request.user, "namespace": request.namespace, "repo_name": request.repository}
        query = urlencode({name: value for name, value in named.items() if value})
        plain = f"https://{host}/{quote(key)}" + (f"?{query}" if query else "")
        expires = datetime.fromtimestamp(int(time.time()) + request.expires, UTC)
        return str(self._signer.generate_presigned_url(plain, date_less_than=expires))


class Region:
    """The addresses of one region of Amazon: network addresses by the length of their prefix."""

    def __init__(self, networks: dict[tuple[int, int], set[int]]) -> None:
        self._networks = networks

    @classmethod
    def read(cls, file: Path, region: str) -> Region:
        """From Amazon's ip-ranges.json."""
        try:
            data = json.loads(file.read_bytes())
            listed = [
                ipaddress.ip_network(entry.get("ip_prefix") or entry["ipv6_prefix"])
                for entry in [*data["prefixes"], *data["ipv6_prefixes"]]
                if entry["region"] == region
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(f"aws_ip_ranges_filename: {file}: {error}") from error
        networks: dict[tuple[int, int], set[int]] = {}
        for network in listed:
            networks.setdefault((network.version, network.prefixlen), set()).add(int(network.network_address))
        return cls(networks)

    def has(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        number = int(ip)
        return any(
            version == ip.version
            and (number >> (ip.max_prefixlen - length) << (ip.max_prefixlen - length)) in known
            for (version, length), known in self._networks.items()
        )


def found(name: Path) -> Path:
    """The file of this name: as it is, beside config.yaml, or in the folder that QUAYCONF names."""
    config = os.environ.get("QUAYFRAME_CONFIG")
    folders = [Path(config).parent] if config else []
    if "QUAYCONF" in os.environ:
        folders += [Path(os.environ["QUAYCONF"]), Path(os.environ["QUAYCONF"], "stack")]
    folders += [Path(), Path("conf", "stack")]
    return next((path for folder in folders if (path := folder / name).is_file()), name)


def _signer(key_id: str, file: Path) -> Any:
    from botocore.signers import CloudFrontSigner  # type: ignore[import-untyped]
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        key = serialization.load_pem_private_key(found(file).read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(f"cloudfront_privatekey_filename: {file}: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise StorageError(f"cloudfront_privatekey_filename: {file}: not an RSA key")
    # CloudFront's own choice of hash.
    return CloudFrontSigner(key_id, lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA1()))  # noqa: S303
