# SPDX-License-Identifier: MIT
"""The project's own rules: form, licence lines, exported symbols, what is linked, and
that every key and option is in its parser, its help, its manual and its sample."""

import functools
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import programs

SOURCE = programs.SOURCE
TOP = ("core", "plugins", "tests", "contrib", "docs")
TEXT = {".c", ".h", ".py", ".js", ".sh", ".inc", ".am", ".ac"}


def sources(*suffixes):
    """Files of the tree with these suffixes; the whole project's."""
    found = [p for top in TOP for p in (SOURCE / top).rglob("*")
             if p.is_file() and p.suffix in suffixes and "node_modules" not in p.parts]
    found += [p for p in SOURCE.iterdir() if p.is_file() and p.suffix in suffixes]
    assert found
    return sorted(found)


def read(path):
    return path.read_text(encoding="utf-8")


def tool(*args):
    done = subprocess.run([str(a) for a in args], stdin=subprocess.DEVNULL, check=False,
                          capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


def test_clang_format():
    files = sources(".c", ".h")
    assert len(files) > 40
    code, output = tool("clang-format", "--dry-run", "--Werror", "--style=file", *files)
    assert code == 0, output[-3000:]


def first_lines(path):
    return "\n".join(read(path).splitlines()[:3])


def test_licence_line():
    """At the top of all that is code, whatever its comment looks like."""
    scripts = [p for top in TOP for p in (SOURCE / top).rglob("*")
               if p.is_file() and os.access(p, os.X_OK) and "node_modules" not in p.parts]
    missing = [str(p) for p in {*sources(*TEXT), *scripts}
               if "SPDX-License-Identifier: MIT" not in first_lines(p)]
    assert not missing, missing


def test_cppcheck():
    files = [p for p in sources(".c") if p.parts[-2] != "tests" or "bench" in p.parts]
    code, output = tool(
        "cppcheck", "--quiet", "--error-exitcode=1", "--std=c11",
        f"--library={SOURCE}/tests/cppcheck.cfg",
        "--enable=warning,performance,portability", "--inline-suppr",
        "--suppress=missingIncludeSystem", f"-I{SOURCE}/core", "-DHSP_CRASH_POINTS=1",
        *files)
    assert code == 0 and output == "", output[-3000:]


def test_library_exports_only_its_interface():
    code, output = tool("nm", "-D", "--defined-only", programs.LIBRARY)
    names = [line.split()[-1] for line in output.splitlines()]
    assert code == 0 and len(names) > 15
    assert [n for n in names if not re.match(r"hs_[a-z]", n)] == []
    declared = set(re.findall(r"\b(hs_[a-z_]+)\(", read(SOURCE / "core" / "hookspool.h")))
    assert set(names) <= declared and {"hs_spool_put", "hs_config_load"} <= set(names)


@pytest.mark.parametrize("path", [programs.NOTIFY, programs.CHECK, programs.LIBRARY,
                                  programs.BINDIR / "hookspool-zabbix",
                                  programs.BINDIR / "hookspool-zabbix-export"],
                         ids=["hookspool-notify", "check_hookspool", "libhookspool",
                              "hookspool-zabbix", "hookspool-zabbix-export"])
def test_adapters_link_neither_network_nor_cryptography(path):
    code, output = tool("ldd", path)
    assert code == 0 and "libc.so" in output
    for library in ("libcurl", "libcrypto", "libssl", "libmicrohttpd", "libgnutls"):
        assert library not in output


def test_arrows_point_one_way():
    """plugins → core, delivery → core, nothing → plugins; each outside library in its
    own few modules."""
    for path in sources(".c", ".h"):
        where = path.relative_to(SOURCE)
        included = re.findall(r'#include ["<]([^">]+)[">]', read(path))
        if where.parts[0] == "core":
            assert not [i for i in included if "plugins" in i], where
            if where.parts[1] != "delivery" and where.name not in (
                    "hookspoold.c", "hookspool.c"):
                wrong = [i for i in included if i.startswith(("delivery/", "curl/",
                                                             "openssl/"))]
                assert not wrong, (where, wrong)
        if where.parts[0] == "plugins":
            # What fills the module's map asks over the network; it handles no event.
            asks = where.parts[1:] == ("zabbix", "api.c")
            assert not [i for i in included if "delivery" in i
                        or ("curl" in i and not asks)], where
        if any(i.startswith("openssl/") for i in included):
            assert where.name in ("sign.c", "certificate.c", "test_sign.c",
                                  "test_fault.c"), where
        if any(i.startswith("curl/") for i in included):
            assert where.parts[:2] in (("core", "delivery"), ("tests", "bench")) or \
                where.parts == ("plugins", "zabbix", "api.c"), where


def test_no_registry_and_no_machine_in_the_tree():
    """Neither a package registry's host nor a place of somebody's machine."""
    registry = re.compile("registry" + r"[.]npmjs|registry" + "[.]yarnpkg|"
                          "files[.]python" + "hosted|index[.]crates", re.I)
    places = re.compile(r"(?<![\w.])/(?:work|home|root)/[\w]")
    for path in sources(*TEXT, ".json", ".md", ".conf", ".cfg", ".yml", ".in"):
        text = read(path)
        assert not registry.search(text), path
        assert not places.search(text), (path, places.search(text).group(0))


def manual(name):
    (path,) = [p for top in TOP for n in (name, name + ".in")
               for p in (SOURCE / top).rglob(n) if "stage" not in p.parts]
    return read(path)


def config_keys():
    """Every key in the parsers' tables: (name)."""
    text = "".join(read(p) for p in sources(".c", ".h") if "core" in p.parts)
    rows = "".join(read(p) for p in sources(".c") if p.name.startswith("settings"))
    return {*re.findall(r'CFG_(?:STR|INT|BOOL|FLOAT|STR_LIST|INT_LIST|FUNC|SEC)'
                        r'(?:_CB)?\(\s*"(\w+)"', text),
            *re.findall(r'\{"(\w+)", (?:NULL|"[^"]*"|[A-Z_]+), \w+, ', rows)}


def sample_texts():
    """The sample configurations, in contrib/."""
    found = [p for p in (SOURCE / "contrib").rglob("*")
             if p.is_file() and "systemd" not in p.parts
             and re.search(r"hookspool\.conf|endpoints?(\.d)?.*\.conf", str(p))]
    assert found
    return "".join(read(p) for p in found)


def test_every_config_key_is_documented():
    keys = config_keys()
    assert {"spool_dir", "region", "endpoint", "retries", "rate_limit", "proxy"} <= keys
    pages, sample = manual("hookspool.conf.5"), sample_texts()
    for key in keys:
        assert re.search(rf"\b{key}\b", pages), f"{key} is not in the manual"
        assert re.search(rf"\b{key}\b", sample), f"{key} is not in the sample"


def defaults():
    """{key: default} of the daemon's keys, where the table has it as a text."""
    rows = "".join(read(p) for p in sources(".c") if p.name.startswith("settings"))
    return dict(re.findall(r'\{"(\w+)", "([^"]*)", \w+, ', rows))


def test_samples_and_manual_have_the_defaults():
    """And no key that there is not."""
    keys, page = config_keys(), manual("hookspool.conf.5")
    texts = read(SOURCE / "contrib" / "hookspool.conf.in") + \
        read(SOURCE / "contrib" / "endpoints.d" / "statuspage.conf.in")
    sample = dict(re.findall(r'(?m)^ *#? ?(\w+) *= *(.*)$', texts))
    assert set(sample) <= keys, set(sample) - keys
    entries = dict(re.findall(r"(?m)^\.It Li (\w+)(?: (.*))?$", page))
    in_page = {word.strip(" ,") for line in re.findall(r"(?m)^\.It Li (.*)$", page)
               for word in re.match(r"[\w ,]+", line).group(0).split()}
    assert {k for k in in_page if "_" in k} <= keys, in_page - keys
    for key, value in defaults().items():
        if key in entries and value and "{" not in value:
            assert value in entries[key], f"{key}: {value} is not what the manual says"
            assert value in sample[key], f"{key}: {value} is not what the sample says"
    assert len(defaults()) > 10


PLUGIN = next((programs.BINDIR.parent / "libexec").rglob("check_hookspool"), None)
PROGRAMS = {"hookspool-notify": (programs.NOTIFY, 1), "hookspool": (programs.CONTROL, 1),
            "hookspoold": (programs.DAEMON, 8), "check_hookspool": (PLUGIN, 8),
            "hookspool-zabbix": (programs.BINDIR / "hookspool-zabbix", 1),
            "hookspool-zabbix-export": (programs.BINDIR / "hookspool-zabbix-export", 8),
            "hookspool-zabbix-map": (programs.BINDIR / "hookspool-zabbix-map", 8)}


@functools.lru_cache(maxsize=None)
def help_of(name, verb=None):
    done = programs.run(PROGRAMS[name][0], *([verb] if verb else []), "--help")
    assert done.returncode in (0, 3) and done.stderr == "", done
    return done.stdout


def verbs_of(name):
    return re.findall(r"(?m)^  ([a-z][a-z-]*) ", help_of(name)) if name == "hookspool" else []


def options_of(name, verb=None):
    """{long option: (letter or None, does it take something?)} by --help."""
    rows = re.findall(r"(?m)^ +(?:-(\w), )?(--[a-z][a-z-]+)( [A-Z]\S*)?(?: |$)",
                      help_of(name, verb))
    return {option: (letter or None, bool(argument)) for letter, option, argument in rows}


def all_options_of(name):
    """Of the program and of its verbs: [(verb or None, option, letter, argument)]."""
    return [(verb, option, *rest) for verb in (None, *verbs_of(name))
            for option, rest in options_of(name, verb).items()]


def page_of(name):
    return manual(f"{name}.{PROGRAMS[name][1]}").replace(r"\-", "-")


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_option_is_documented(name):
    """--help, of each verb too, and the manual name the same options with the same
    letters, and agree on which take something; and the program knows each."""
    page, options = page_of(name), all_options_of(name)
    entries = re.findall(r"(?m)^\.It (.*)$", page)
    in_help = {option for _, option, *_ in options}
    in_page = {f"--{o}" for o in re.findall(r"Fl Fl ([a-z][a-z-]+)", page)}
    assert {"--help", "--version"} <= in_help
    assert in_help == in_page, in_help ^ in_page
    for verb, option, letter, argument in options:
        found = [e for e in entries if re.search(rf"Fl Fl {option[2:]}(?= |$)", e)]
        assert found, f"{verb}: {option} has no entry of its own in the manual"
        takes = [bool(re.search(rf"Fl Fl {option[2:]} (?:Ar|Cm|Ns)", e)) for e in found]
        assert argument in takes, f"{verb}: {option}: takes something, or not? {found}"
        if letter:
            assert any(re.search(rf"Fl {letter} ,? ?.*Fl Fl {option[2:]}", e)
                       for e in found), f"{verb}: -{letter}, {option}"
        words = [verb] if verb else []
        done = programs.run(PROGRAMS[name][0], *words, option,
                            *(["1"] if argument else []), "--help", timeout=10)
        assert "unknown" not in done.stderr and "unrecognized" not in done.stderr, done


def test_every_verb_is_documented():
    """In the manual's list and synopsis, in the order of --help."""
    page, verbs = page_of("hookspool"), verbs_of("hookspool")
    assert len(verbs) == len(set(verbs)) and "status" in verbs
    synopsis, _, rest = page.partition(".Sh DESCRIPTION")
    in_list = [w for e in re.findall(r"(?m)^\.It Cm (.*)$", rest)
               for w in re.match(r"[a-z-]+(?: , [a-z-]+)*", e).group(0).split(" , ")]
    assert in_list == verbs
    in_synopsis = [w for line in re.findall(r"(?m)^\.Cm (.*)$", synopsis)
                   for w in re.match(r"[a-z-]+(?: \| [a-z-]+)*", line).group(0).split(" | ")]
    assert set(in_synopsis) == set(verbs)


def examples():
    """(file, line) of what documents and samples tell to type or configure."""
    found = [p for top in ("contrib", "docs") for p in (SOURCE / top).rglob("*")
             if p.is_file() and p.suffix not in (".json", ".inc")]
    for path in [*found, SOURCE / "README.md"]:
        for line in read(path).replace("\\e\n", " ").replace("\\\n", " ").splitlines():
            yield path.relative_to(SOURCE), line.replace(r"\-", "-").replace("Fl Fl ", "--")


def test_examples_use_what_there_is():
    """Verbs and options in manuals, documents, units and samples of the hosts."""
    known = {name: {option for _, option, *_ in all_options_of(name)} for name in PROGRAMS}
    every, verbs, seen = set().union(*known.values()), set(verbs_of("hookspool")), 0
    for path, line in examples():
        where = (str(path), line)
        for verb in re.findall(r"(?:^|Ic |Dl |`|&& |/)hookspool (?:-c \S+ )?([a-z][a-z-]+)",
                               line):
            # In running text the word may stand at the begin of a line.
            assert verb in verbs or re.match("hookspool ", line), where
            seen += verb in verbs
        for rest in re.findall(r"(?<![\w.-])(?<!spool/)(?:hookspool\w*|hookspool-notify|"
                               r"hookspool-zabbix-\w+|check_hookspool) (.*)", line):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", rest):
                assert option in every or re.search("systemd-|setpriv ", line), where
                seen += 1
    assert seen > 40


@pytest.mark.parametrize("name", PROGRAMS)
def test_version_and_wrong_options(name):
    path, _ = PROGRAMS[name]
    version = re.search(r"AC_INIT\(\[hookspool\], \[([\d.]+)\]",
                        read(SOURCE / "configure.ac")).group(1)
    assert version in programs.run(path, "--version").stdout
    wrong = programs.run(path, "--no-such-option")
    code, text = (3, wrong.stdout) if path == PLUGIN else (64, wrong.stderr)
    assert wrong.returncode == code and "--no-such-option" in text


def test_manuals_are_good_mdoc():
    pages = [p for p in (SOURCE / "docs").rglob("*")
             if re.search(r"\.[1-8](\.in)?$", p.name)]
    assert len(pages) >= 4
    for page in pages:
        code, output = tool("mandoc", "-T", "lint", "-W", "warning", page)
        assert code == 0, output


def test_every_test_is_run():
    """A file of tests that is not in the Makefile would never fail."""
    listed = read(SOURCE / "tests" / "Makefile.inc")
    for path in (SOURCE / "tests").rglob("*"):
        if "node_modules" in path.parts or not path.is_file():
            continue
        name = path.name if path.suffix in (".py", ".c", ".h", ".js") else None
        if name and not re.search(rf"/{re.escape(name)}\b", listed):
            stem = path.stem
            assert re.search(rf"\b{re.escape(stem)}\b", listed), f"{path} is not listed"


def test_no_leftovers():
    """No marks of unfinished work."""
    words = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X:")))
    for path in sources(*TEXT):
        assert not words.search(read(path)), path


def test_tools_are_here():
    """What is missing would make the tests above pass for the wrong reason."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    for name in ("clang-format", "cppcheck", "mandoc", "strace", "node", "npm", "nm", "bash",
                 "systemd-analyze", "systemd-tmpfiles", "logrotate", "setpriv", "unshare"):
        assert shutil.which(name, path=path), name


def test_distributed_files(tmp_path):
    """Everything that git knows is in the tarball's list, or is for git alone."""
    if not (SOURCE / ".git").exists():
        assert (SOURCE / "configure").exists()
        return
    code, output = tool("git", "-c", f"safe.directory={SOURCE}", "-C", SOURCE, "ls-files")
    assert code == 0, output
    code, made = tool("make", "-C", programs.BUILD, "-s", "distdir",
                      f"distdir={tmp_path}/dist", f"top_distdir={tmp_path}/dist")
    assert code == 0, made[-2000:]
    missing = [f for f in output.splitlines() if not (tmp_path / "dist" / f).exists()
               and pathlib.Path(f).parts[0] not in (".ci", ".gitignore", ".github")]
    assert not missing, missing
