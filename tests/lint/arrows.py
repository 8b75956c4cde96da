#!/usr/bin/env python3
"""Do imports only go down? Looks at the `use` lines of every package, and at paths from `crate`,
`self` and `super`.

A module may import what stands on its own floor or below it, and no files may import each other in a
circle. `python3 tests/lint/arrows.py [ROOT]` prints what breaks that and fails; `--self-test` shows
that it would.
"""

import re
import sys
import tempfile
from pathlib import Path

# The floors of each package, the ground first; modules of one floor may import each other, as long as
# there is no circle. A module has the floor of the longest path here that it lies under.
FLOORS = {
    "src": [
        ["dtype", "error", "limits"],
        ["host"],
        ["values"],
        ["detect"],
        ["coding"],
        ["queries"],
        ["traits"],
        ["vdb"],
        ["grids"],
        ["store/note", "store/options", "store/report"],
        ["store/database"],
        ["store/index"],
        ["store/reading"],
        ["store/recording"],
        ["store/upkeep"],
        ["store/engine"],
        ["store/step_writer", "store/stored_layer", "store/temporal_store"],
        ["volumes"],
    ],
    "crates/tvdb-bench/src": [
        ["background", "listener"],
        ["training"],
        ["bench", "demo"],
    ],
    "crates/tvdb/src": [
        ["background"],
        ["screen"],
        ["args", "files"],
        ["ending", "verbs"],
    ],
}


class Package:
    """The modules of one package: `a/b` is the file a/b.rs or a/b/mod.rs."""

    def __init__(self, root, floors):
        self.floors = [(path, i) for i, floor in enumerate(floors) for path in floor]
        self.text, self.folders = {}, set()
        for file in sorted(root.rglob("*.rs")):
            parts = file.relative_to(root).with_suffix("").parts
            if parts[-1] == "mod":
                parts = parts[:-1]
                self.folders.add("/".join(parts))
            self.text["/".join(parts)] = code_of(file.read_text())
        # lib.rs and main.rs only hand names on, and start what there is.
        self.roots = {name for name in ("lib", "main") if name in self.text}
        self.handed_on = {module: handed_on(text) for module, text in self.text.items()}

    def floor(self, module):
        under = [(len(path), floor) for path, floor in self.floors if lies_under(module, path)]
        return max(under)[1] if under else None

    def resolve(self, path, seen=()):
        """The module that defines what a path from the root names; None for the root's own names."""
        module = ""
        while path and child(module, path[0]) in self.text:
            module, path = child(module, path[0]), path[1:]
        if not module:
            return None
        target = self.handed_on[module].get(path[0]) if path else None
        if target is None or (module, path[0]) in seen:
            return module
        base = module.split("/") if module in self.folders else module.split("/")[:-1]
        absolute = target[1:] if target[0] == "crate" else base + target
        found = self.resolve(absolute, (*seen, (module, path[0])))
        return found or module

    def imports(self, module):
        """What a module names, each as a path from the root."""
        own = module.split("/")
        inside = own if module in self.folders else own[:-1]
        for path, is_handed_on in paths_in(self.text[module]):
            if path[0] == "crate":
                yield path[1:], is_handed_on
            elif path[0] == "self":
                yield inside + path[1:], is_handed_on
            elif path[0] == "super":
                # A file's parent is its folder; a folder's, the folder that it is in.
                base = own[:-1]
                while path and path[0] == "super":
                    base, path = base, path[1:]
                    if path and path[0] == "super":
                        base = base[:-1]
                yield base + path, is_handed_on
            elif path[0] in self.children(module):
                yield inside + path, is_handed_on

    def children(self, module):
        prefix = module + "/"
        return {name[len(prefix):] for name in self.text if name.startswith(prefix) and "/" not in name[len(prefix):]}

    def arrows(self):
        for module in self.text:
            if module in self.roots:
                continue
            for path, is_handed_on in self.imports(module):
                target = self.resolve(path)
                # What a folder's own file hands on from inside the folder is no import.
                if not (is_handed_on and target and lies_under(target, module)):
                    yield module, path, target


def child(module, name):
    return f"{module}/{name}" if module else name


def lies_under(module, path):
    return module == path or module.startswith(path + "/")


# Comments, texts and letters.
NO_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\br(#*)".*?"\1|"(?:[^"\\]|\\.)*"|'(?:[^'\\\n]|\\(?:u\{\w+\}|x\w\w|.))'""", re.S
)

# The tests of a file, which may look at anything, up to the brace that rustfmt puts at the margin.
TESTS = re.compile(r"^#\[cfg\(test\)\]\nmod \w+ \{\n.*?^\}", re.M | re.S)


def code_of(text):
    return TESTS.sub("", NO_CODE.sub(" ", text))


def leaves(tree, prefix=()):
    """The paths of a `use` tree."""
    tree = tree.strip()
    match = re.fullmatch(r"((?:\w+\s*::\s*)*)\{(.*)\}", tree, re.S)
    if not match:
        yield list(prefix) + [part.split(" as ")[0].strip() for part in tree.split("::")]
        return
    prefix = [*prefix, *(part.strip() for part in match[1].split("::") if part.strip())]
    depth, part = 0, ""
    for letter in match[2] + ",":
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            if part.strip():
                yield from leaves(part, prefix)
            part = ""
        else:
            part += letter


USE = re.compile(r"\b(pub(?:\([\w: ]+\))? )?use ([^;]+);")


PATH = re.compile(r"\b(?:crate|self|super)(?:\s*::\s*\w+)+")


def paths_in(text):
    """All that is imported or named by its path, and whether it is handed on."""
    for match in USE.finditer(text):
        for path in leaves(match[2]):
            yield path, bool(match[1])
    for match in PATH.finditer(USE.sub("", text)):
        yield [part.strip() for part in match[0].split("::")], False


def handed_on(text):
    names = {}
    for match in USE.finditer(text):
        if match[1]:
            for path in leaves(match[2]):
                names[path[-1]] = path
    return names


def circles(edges):
    """Sets of modules that import each other (Tarjan 1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def faults(root, floors):
    package = Package(root, floors)
    for path, _ in package.floors:
        if path not in package.text:
            yield f"{path} has a floor, and is not there"
    for module in package.text.keys() - package.roots:
        holds_floors = any(lies_under(path, module) for path, _ in package.floors)
        if package.floor(module) is None and not holds_floors:
            yield f"{module} has no floor: give it one"
    edges = {}
    for module, path, target in package.arrows():
        named = "::".join(path)
        if target is None:
            yield f"{module} imports crate::{named}: name the folder that it is in"
            continue
        if target == module:
            continue
        own, other = package.floor(module), package.floor(target)
        if other is None and not lies_under(module, target):
            yield f"{module} imports {named}, which {target} defines, and that has no floor"
        elif None not in (own, other) and other > own:
            yield f"{module} imports {named}, which stands above it"
        # A folder's own file hands names on; what it defines itself is there for all that is in it.
        edges.setdefault(module, set()).add(target)
    for group in circles(edges):
        yield "a circle: " + ", ".join(group)


def self_test():
    floors = [["low"], ["high"]]

    def found(files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                file = Path(folder, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            return sorted(set(faults(Path(folder), floors)))

    good = {
        "lib.rs": "mod low;\nmod high;\npub use high::High;\n",
        "low/mod.rs": "mod a;\nmod b;\npub(crate) use a::A;\n",
        "low/a.rs": "use super::b::B;\n",
        "low/b.rs": "// use crate::high::High;\n",
        "high.rs": "use crate::low::A;\n",
    }
    assert found(good) == [], found(good)
    up = {**good, "low/b.rs": "use crate::high::High;\n"}
    assert any("stands above" in fault for fault in found(up))
    inline = {**good, "low/b.rs": "fn f() -> crate::high::High {}\n"}
    assert any("stands above" in fault for fault in found(inline))
    circle = {**good, "low/b.rs": "use super::A;\n"}
    assert found(circle) == ["a circle: low/a, low/b"], found(circle)
    for seen in (
        "fn f() -> super::super::high::High {}\n",
        "pub(crate) use crate::high::High;\n",
        "#[cfg(test)]\nmod tests {\n    use super::*;\n}\nuse crate::high::High;\n",
        'const A: &str = "//"; fn f() -> crate::high::High {}\n',
    ):
        assert any("stands above" in fault for fault in found({**good, "low/b.rs": seen})), seen
    tests = {**good, "low/b.rs": "#[cfg(test)]\nmod tests {\n    use crate::high::High;\n}\n"}
    assert found(tests) == [], found(tests)
    for by_root in ("use crate::High;\n", "use crate::*;\n", "use crate as c;\n"):
        assert any("name the folder" in fault for fault in found({**good, "low/b.rs": by_root})), by_root
    assert found({**good, "new.rs": ""}) == ["new has no floor: give it one"]
    assert found({"lib.rs": "", "low.rs": ""}) == ["high has a floor, and is not there"]


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2])
    broken = [
        f"{package}: {fault}"
        for package, floors in FLOORS.items()
        for fault in sorted(set(faults(root / package, floors)))
    ]
    if broken:
        print("\n".join(broken), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
