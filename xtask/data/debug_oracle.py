"""What drgn, with the DWARF of the kernel's own file, says of a dump: JSON for `cargo xtask test --tier real`.

    debug_oracle.py DUMP VMLINUX [MODULE.ko ...] <REQUEST

REQUEST is JSON: {"variables": [NAME, ...], "paths": COUNT, "seed": NUMBER, "lists": {EXPRESSION: PYTHON, ...}}.
"""

import json
import mmap
import random
import re
import struct
import sys

import drgn
from drgn import TypeKind, cast, sizeof
from drgn.helpers.linux import *  # noqa: F403
from drgn.helpers.linux.module import for_each_module
from drgn.helpers.linux.percpu import per_cpu
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.printk import get_printk_records

# Bytes of a variable that are compared.
MOST_BYTES = 1024
# The processor whose per-CPU variables are looked at.
CPU = 1


def symbol_table(path):
    """Data objects of an ELF file: name -> [(address, size, source file)]. Local symbols stand behind their file's.

    Also names -> addresses of symbols without a type, assembler's; names of files -> their paths; and the addresses of data
    that kallsyms leaves out: that of the EFI stub, whose symbols are renamed (scripts/kallsyms.c).
    """
    with open(path, "rb") as file:
        header = file.read(64)
        order = "<" if header[5] == 1 else ">"
        offset, = struct.unpack_from(order + "Q", header, 40)
        size, count, name_table = struct.unpack_from(order + "HHH", header, 58)
        file.seek(offset)
        sections = [struct.unpack(order + "IIQQQQIIQQ", file.read(size)) for _ in range(count)]

        def content(section):
            file.seek(section[4])
            return file.read(section[5])

        section_names = content(sections[name_table])
        table = next(section for section in sections if section[1] == 2)
        entries, names = content(table), content(sections[table[6]])
        # Symbols know the last part of their file's path only: DWARF's strings have the whole.
        paths = {}
        for section in sections:
            name = section_names[section[0]:section_names.index(b"\0", section[0])]
            if name not in (b".debug_str", b".debug_line_str"):
                continue
            text = content(section)
            for each in re.findall(rb"(?<=\0)[\w./+-]+\.[cS](?=\0)", text):
                each = each.decode()
                paths.setdefault(each.rsplit("/", 1)[-1], set()).add(each)
    found, labels, source, left_out = {}, {}, "", set()
    for name, info, _, section, address, length in struct.iter_unpack(order + "IBBHQQ", entries):
        kind = info & 0xF
        if kind not in (0, 1, 4) or (kind != 4 and section == 0):
            continue
        text = names[name:names.index(b"\0", name)].decode()
        if text.startswith("__efistub_"):
            left_out.add(address)
        # Parts of the kernel whose symbols are renamed have variables under their own names.
        for prefix in ("__kvm_nvhe_", "__pi_"):
            if text.startswith(prefix):
                labels.setdefault(text[len(prefix):], []).append(address)
        if kind == 4:
            source = text
        elif kind == 0:
            labels.setdefault(text, []).append(address)
        else:
            found.setdefault(text, []).append((address, length, source if info >> 4 == 0 else ""))
    return found, labels, paths, left_out


def vmcoreinfo(path):
    """VMCOREINFO as it lies in memory, for dumps without a note of it."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(b"OSRELEASE=")
        while at >= 0:
            text = content[at:at + 4096].split(b"\0")[0]
            if b"\nSYMBOL(_stext)=" in text:
                return text
            at = content.find(b"OSRELEASE=", at + 1)
    return b""


def physical_segments(path):
    """The machine of an ELF core, the order of its bytes, and its memory: (physical address, offset in the file, size)."""
    with open(path, "rb") as file:
        header = file.read(64)
        order = "little" if header[5] == 1 else "big"
        mark = "<" if order == "little" else ">"
        machine, = struct.unpack_from(mark + "H", header, 18)
        table, = struct.unpack_from(mark + "Q", header, 32)
        size, count = struct.unpack_from(mark + "HH", header, 54)
        file.seek(table)
        entries = [struct.unpack(mark + "IIQQQQQQ", file.read(size)) for _ in range(count)]
    return machine, order, [(entry[4], entry[2], entry[5]) for entry in entries if entry[0] == 1]


EM_S390, EM_RISCV = 22, 243


def program(dump):
    """drgn on a dump. Two kinds it has to be told of: s390x's physical addresses, which QEMU writes in a way that drgn does not
    take for such, and riscv64's page tables, which it does not know."""
    machine, _, segments = physical_segments(dump)
    if machine not in (EM_S390, EM_RISCV):
        try:
            prog = drgn.Program()
            prog.set_core_dump(dump)
        except ValueError:
            prog = drgn.Program(vmcoreinfo=vmcoreinfo(dump))
            prog.set_core_dump(dump)
        return prog
    with open(dump, "rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def physical(address, count):
        for start, offset, size in segments:
            if start <= address and address + count <= start + size:
                at = offset + address - start
                return content[at:at + count]
        raise drgn.FaultError("no memory", address)

    info = vmcoreinfo(dump)
    if machine == EM_S390:
        platform = drgn.Platform(drgn.Architecture.S390X, drgn.PlatformFlags.IS_64_BIT)
    else:
        flags = drgn.PlatformFlags.IS_64_BIT | drgn.PlatformFlags.IS_LITTLE_ENDIAN
        platform = drgn.Platform(drgn.Architecture.RISCV64, flags)
    prog = drgn.Program(platform)
    prog.set_linux_kernel_custom(info, is_live=False)
    for start, _, size in segments:
        prog.add_memory_segment(start, size, lambda address, count, *_: physical(address, count), physical=True)
    if machine == EM_RISCV:
        prog.add_memory_segment(1 << 63, (1 << 63) - 1, riscv64_reader(info, physical))
    return prog


def riscv64_reader(info, physical):
    """Reads by virtual address: Sv39 to Sv57 (RISC-V privileged architecture, 12.3 to 12.6)."""
    keys = dict(line.split("=", 1) for line in info.decode().splitlines() if "=" in line)
    levels = {39: 3, 48: 4, 57: 5}[int(keys["NUMBER(VA_BITS)"])]
    root = int(keys["SYMBOL(swapper_pg_dir)"], 16) - int(keys["NUMBER(va_kernel_pa_offset)"], 16)
    known = {}

    def translate(page):
        table = root & ((1 << 64) - 1)
        for level in reversed(range(levels)):
            index = page >> (9 * level) & 511
            entry, = struct.unpack("<Q", physical(table + index * 8, 8))
            if not entry & 1:
                raise drgn.FaultError("not mapped", page << 12)
            frame = entry >> 10 & ((1 << 44) - 1)
            if entry & 0xE:
                # A larger leaf, or 16 pages whose frame's lowest bits only say so.
                low = 4 if level == 0 and entry >> 63 else 9 * level
                return frame >> low << low | page & ((1 << low) - 1)
            table = frame << 12
        raise drgn.FaultError("not mapped", page << 12)

    def read(address, count, *_):
        found = b""
        while count:
            page, within = address >> 12, address & 4095
            part = min(count, 4096 - within)
            if page not in known:
                known[page] = translate(page)
            found += physical((known[page] << 12) + within, part)
            address, count = address + part, count - part
        return found

    return read


class Oracle:
    def __init__(self, dump, files):
        machine, self.order, _ = physical_segments(dump)
        # On s390x user space and the kernel have address spaces of their own: there is no half.
        self.kernel_starts = 4096 if machine == EM_S390 else 1 << 63
        self.prog = program(dump)
        self.prog.load_debug_info(files[:1])
        for module in files[1:]:
            try:
                self.prog.load_debug_info([module])
            except drgn.MissingDebugInfoError:
                pass
        self.objects, self.labels, self.source_paths, left_out = symbol_table(files[0])
        text = self.prog["VMCOREINFO"].string_().decode()
        info = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        self.shift = int(info.get("KERNELOFFSET", "0"), 16)
        place = {
            name: self.prog.symbol(name).address for name in ("__per_cpu_start", "__per_cpu_end", "_stext", "_end")
        }
        self.left_out = {address + self.shift for address in left_out}
        self.per_cpu_range = range(place["__per_cpu_start"], place["__per_cpu_end"])
        self.image = [place["_stext"], place["_end"]]

    def is_per_cpu(self, address):
        # On x86, before Linux 6.15, addresses count from the section's start.
        return address in self.per_cpu_range or (self.per_cpu_range.start == 0 and address < 0x1000000)

    def runtime(self, address):
        """Where a symbol of the kernel's file is."""
        is_offset = self.per_cpu_range.start == 0 and self.is_per_cpu(address)
        return address if is_offset else (address + self.shift) & ((1 << 64) - 1)

    def describe(self, obj):
        """A variable as both sides can be compared."""
        address = obj.address_
        is_per_cpu = self.is_per_cpu(address)
        if is_per_cpu:
            obj = per_cpu(obj, CPU)
        try:
            size = sizeof(obj.type_)
        except TypeError:
            size = None
        try:
            content = self.prog.read(obj.address_, min(size or 0, MOST_BYTES)).hex()
        except drgn.FaultError:
            content = None
        return {
            "per_cpu": is_per_cpu,
            "left_out": address in self.left_out,
            "address": obj.address_,
            "size": size,
            "type": self.prog.pointer_type(obj.type_).type_name(),
            "bytes": content,
        }

    def variable(self, name):
        """All variables of a name: those of each source file that has a symbol of this name, else drgn's one."""
        symbols = self.objects.get(name, [])
        if len(symbols) < 2:
            try:
                obj = self.prog.variable(name)
            except LookupError:
                return {"objects": [], "symbols": len(symbols)}
            # Of two variables of a name, drgn may have taken that of a part whose symbols are renamed.
            if not symbols or obj.address_ in (None, self.runtime(symbols[0][0])):
                return {"objects": [] if obj.address_ is None else [self.describe(obj)], "symbols": len(symbols)}
        found, places = [], []
        for address, size, source in symbols:
            runtime = self.runtime(address)
            place = {"address": runtime, "size": size, "per_cpu": self.is_per_cpu(runtime)}
            for path in sorted(self.source_paths.get(source, [source])):
                try:
                    obj = self.prog.variable(name, path) if path else self.prog.variable(name)
                except LookupError:
                    continue
                if obj.address_ == runtime:
                    place.update(self.describe(obj))
                    break
            if "type" not in place and self.is_per_cpu(runtime):
                place["address"] += self.prog["__per_cpu_offset"][CPU].value_()
                place["address"] &= (1 << 64) - 1
            places.append(place)
        return {"objects": places, "symbols": len(symbols)}

    def variables_of_modules(self, files):
        """Variables of loaded modules: module -> name -> what each of that name is."""
        found = {}
        for file in files:
            name = file.rsplit("/", 1)[-1].removesuffix(".ko").replace("-", "_")
            module = next(each for each in for_each_module(self.prog) if each.name.string_().decode() == name)
            ranges = list(memory_of(module))
            objects, _, source_paths, _ = symbol_table(file)
            sources = sorted(set().union(*source_paths.values())) + [None]
            variables = {}
            for variable in objects:
                places = {}
                for source in sources:
                    try:
                        obj = self.prog.variable(variable, *([source] if source else []))
                    except LookupError:
                        continue
                    if obj.address_ is not None and any(obj.address_ in each for each in ranges):
                        places.setdefault(obj.address_, obj)
                if places:
                    described = [self.describe(obj) for obj in places.values()]
                    variables[variable] = {"objects": described, "symbols": len(objects[variable]), "labels": []}
            found[name] = variables
        return found

    def paths(self, names, count, seed):
        """Random walks: from a variable over members, elements and pointers to a number."""
        generator = random.Random(seed)
        names = [name for name in names if len(self.objects.get(name, [])) == 1]
        found, tries = [], 0
        while len(found) < count and tries < count * 40:
            tries += 1
            name = generator.choice(names)
            try:
                obj = self.prog.variable(name)
                if obj.address_ is None:
                    continue
                text = name
                if self.is_per_cpu(obj.address_):
                    obj, text = per_cpu(obj, CPU), f"per_cpu({name}, {CPU})"
                path = self.walk(generator, obj, text)
            except (LookupError, drgn.FaultError, TypeError, ValueError):
                continue
            # What is no aggregate or pointer says no more than the comparison of variables.
            if path and path[0] != text:
                found.append({"expression": path[0], "value": str(path[1])})
        return found

    def walk(self, generator, obj, text):
        for _ in range(24):
            kind = underlying(obj.type_).kind
            if kind in (TypeKind.STRUCT, TypeKind.UNION):
                step = self.member(generator, obj)
                if step is None:
                    return None
                obj, text = step[0], f"{text}.{step[1]}"
            elif kind == TypeKind.ARRAY:
                length = underlying(obj.type_).length
                # pahole makes one array of an array of arrays.
                if not length or underlying(obj.type_.type).kind == TypeKind.ARRAY:
                    return None
                index = generator.randrange(min(length, 16))
                obj, text = obj[index], f"{text}[{index}]"
            elif kind == TypeKind.POINTER:
                target = underlying(obj.type_.type if hasattr(obj.type_, "type") else underlying(obj.type_).type)
                number = obj.value_()
                can_follow = target.kind in (TypeKind.STRUCT, TypeKind.UNION) and target.members
                # Below the kernel's half drgn takes addresses in QEMU's dumps for physical ones; errors are at the top.
                can_follow = can_follow and self.kernel_starts <= number < (1 << 64) - 4096
                if number == 0 or not can_follow or generator.random() < 0.15:
                    return text, number
                obj, text = obj[0], f"(*{text})"
                step = self.member(generator, obj)
                if step is None:
                    return None
                obj, text = step[0], f"{text[2:-1]}->{step[1]}"
            elif kind in (TypeKind.INT, TypeKind.BOOL, TypeKind.ENUM):
                if obj.bit_field_size_ is None and obj.address_ is not None:
                    # The number in memory: for `bool` drgn makes 1 of all that is not 0.
                    is_signed = kind != TypeKind.BOOL and getattr(underlying(obj.type_), "is_signed", None)
                    if is_signed is None:
                        is_signed = int(obj.value_()) < 0
                    return text, int.from_bytes(obj.to_bytes_(), self.order, signed=is_signed)
                return text, int(obj.value_())
            else:
                return None
        return None

    def member(self, generator, obj):
        """A random member with a name; of an anonymous aggregate, one of its own."""
        names = []

        def collect(ty):
            for member in underlying(ty).members or ():
                if member.name is None:
                    collect(member.type)
                else:
                    names.append(member.name)

        collect(obj.type_)
        if not names:
            return None
        name = generator.choice(names)
        return obj.member_(name), name

    def lists(self, wanted):
        found = {}
        for expression, python in wanted.items():
            try:
                elements = eval(python, {**globals(), "prog": self.prog})
                found[expression] = [each.value_() for each in elements]
            except LookupError:
                # This kernel has none of it.
                pass
        return found

    def tasks(self):
        return [
            {"pid": task.pid.value_(), "tgid": task.tgid.value_(), "address": task.value_(),
             "comm": task.comm.string_().decode(errors="replace"),
             "parent": task.real_parent.tgid.value_(), "cpu": task_cpu(task),  # noqa: F405
             "state": task_state_to_char(task),  # noqa: F405
             "kernel_thread": task.mm.value_() == 0}
            for task in for_each_task(self.prog)
        ]

    def modules(self):
        def base(module):
            try:
                return module.mem[0].base.value_()
            except AttributeError:
                return module.core_layout.base.value_()

        return [
            {"name": module.name.string_().decode(), "base": base(module), "address": module.value_()}
            for module in for_each_module(self.prog)
        ]

    def registers(self):
        """Registers of each processor, as frame 0 of what it ran has them: name -> value."""
        found = []
        for cpu in for_each_online_cpu(self.prog):  # noqa: F405
            frame = self.prog.stack_trace(cpu_curr(self.prog, cpu))[0]  # noqa: F405
            registers = {name.replace(".", "_"): value for name, value in frame.registers().items()}
            found.append({"cpu": cpu, "registers": registers})
        return found

    def log(self):
        return [
            {"sequence": record.seq, "nanoseconds": record.timestamp, "level": record.level,
             "facility": record.facility, "text": record.text.decode(errors="replace")}
            for record in get_printk_records(self.prog)
        ]


def memory_of(module):
    """Ranges of addresses that a module keeps: text, data, read-only data, and what is read-only when it is initialised."""
    try:
        parts = [module.mem[index] for index in range(4)]
    except AttributeError:
        parts = [module.core_layout]
    for part in parts:
        base = part.base.value_()
        yield range(base, base + part.size.value_())


def chain(first, member):
    """Elements whose member points to the next, up to NULL."""
    while first:
        yield first
        first = first.member_(member)


def underlying(ty):
    while ty.kind == TypeKind.TYPEDEF:
        ty = ty.type
    return ty


def main():
    dump, files = sys.argv[1], sys.argv[2:]
    request = json.load(sys.stdin)
    oracle = Oracle(dump, files)
    names = request.get("variables", [])
    answer = {"variables": {name: oracle.variable(name) for name in names}}
    for name, variables in answer["variables"].items():
        variables["labels"] = [oracle.runtime(address) for address in oracle.labels.get(name, [])]
    answer["paths"] = oracle.paths(request.get("path_names", names), request.get("paths", 0), request.get("seed", 1))
    answer["lists"] = oracle.lists(request.get("lists", {}))
    answer["image"] = oracle.image
    answer["tasks"], answer["modules"], answer["log"] = oracle.tasks(), oracle.modules(), oracle.log()
    answer["registers"] = oracle.registers()
    answer["module_variables"] = oracle.variables_of_modules(files[1:])
    json.dump(answer, sys.stdout)


main()
