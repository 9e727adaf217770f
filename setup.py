"""Packaging: what is installed and what it needs. Tool settings are in pyproject.toml."""

from pathlib import Path

from setuptools import setup

_HERE = Path(__file__).parent
_VERSION = next(
    line.split('"')[1]
    for line in (_HERE / "chatwire" / "__init__.py").read_text("utf-8").splitlines()
    if line.startswith("__version__")
)

setup(
    name="commonroom",
    version=_VERSION,
    description="A private, self-hosted chat for a team, a class or a home lab",
    long_description=(_HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=[
        "chatwire",
        "chatserver",
        "chatserver.accounts",
        "chatserver.cli",
        "chatserver.commands",
        "chatserver.dialects",
        "chatserver.net",
        "chatserver.order",
        "chatserver.order.rules",
        "chatserver.search",
        "chatserver.serving",
        "chatserver.sessions",
        "chatserver.storage",
        "chatserver.system",
        "chatclient",
        "chatclient.cli",
        "chatclient.faces",
        "chatclient.link",
        "chatclient.screen",
        "chatclient.setup",
        "chatclient.talk",
    ],
    package_data={
        "chatwire": ["py.typed"],
        "chatserver": ["py.typed", "web/*"],
        "chatclient": ["py.typed"],
    },
    install_requires=[
        "argon2-cffi>=23.1",
        "bcrypt>=4.1",
        "click>=8.1",
        "cryptography>=42",
        "h11>=0.16,<1",
        "libpass>=1.9",
        "msgspec>=0.19",
        "platformdirs>=4.2",
        "prompt_toolkit>=3.0.43",
        "websockets>=17,<18",
    ],
    extras_require={
        "keyring": ["keyring>=24"],
        "dev": [
            "axe-playwright-python>=0.1.4",
            "hypothesis>=6.100",
            "mypy>=1.13",
            "playwright>=1.49",
            "pexpect>=4.9",
            "pyte>=0.8.2",
            "pytest>=8.2",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "ruff>=0.8",
        ],
    },
    entry_points={"console_scripts": ["chat = chatserver.__main__:main"]},
)
