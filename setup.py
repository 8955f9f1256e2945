"""The one part of the build that pyproject.toml cannot say: the load kernel, compiled by cffi."""

from setuptools import setup

setup(cffi_modules=["native/build_kernel.py:ffibuilder"])
