"""Which Debian package brings a library, for those that modules need most often."""

from __future__ import annotations

__all__ = ["package_of"]

# Debian 12; the packages of Debian 13 answer to these names too.
_PACKAGES = {
    "libatomic.so.1": "libatomic1",
    "libbotan-2.so.19": "libbotan-2-19",
    "libcap.so.2": "libcap2",
    "libcrypt.so.1": "libcrypt1",
    "libcrypto.so.3": "libssl3",
    "libcurl-gnutls.so.4": "libcurl3-gnutls",
    "libcurl.so.4": "libcurl4",
    "libdb-5.3.so": "libdb5.3",
    "libdbus-1.so.3": "libdbus-1-3",
    "libexpat.so.1": "libexpat1",
    "libffi.so.8": "libffi8",
    "libgcc_s.so.1": "libgcc-s1",
    "libgcrypt.so.20": "libgcrypt20",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgnutls.so.30": "libgnutls30",
    "libgomp.so.1": "libgomp1",
    "libjson-c.so.5": "libjson-c5",
    "libkeyutils.so.1": "libkeyutils1",
    "liblber-2.5.so.0": "libldap-2.5-0",
    "libldap-2.5.so.0": "libldap-2.5-0",
    "libncurses.so.6": "libncurses6",
    "libnsl.so.2": "libnsl2",
    "libnspr4.so": "libnspr4",
    "libnssutil3.so": "libnss3",
    "libp11-kit.so.0": "libp11-kit0",
    "libpcsclite.so.1": "libpcsclite1",
    "libplc4.so": "libnspr4",
    "libplds4.so": "libnspr4",
    "libreadline.so.8": "libreadline8",
    "libsqlite3.so.0": "libsqlite3-0",
    "libssl.so.3": "libssl3",
    "libstdc++.so.6": "libstdc++6",
    "libsystemd.so.0": "libsystemd0",
    "libtasn1.so.6": "libtasn1-6",
    "libtinfo.so.6": "libtinfo6",
    "libtss2-esys.so.0": "libtss2-esys-3.0.2-0",
    "libtss2-fapi.so.1": "libtss2-fapi1",
    "libtss2-mu.so.0": "libtss2-mu0",
    "libtss2-rc.so.0": "libtss2-rc0",
    "libtss2-tcti-tabrmd.so.0": "libtss2-tcti-tabrmd0",
    "libtss2-tctildr.so.0": "libtss2-tctildr0",
    "libudev.so.1": "libudev1",
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libxml2.so.2": "libxml2",
    "libyaml-0.so.2": "libyaml-0-2",
    "libykpiv.so.2": "libykpiv2",
    "libz.so.1": "zlib1g",
}


def package_of(library: str) -> str | None:
    """The Debian package of a library (``libz.so.1``); None where it is not known here."""
    return _PACKAGES.get(library)
