//! Symbols of data that kallsyms lacks: a kernel built without `CONFIG_KALLSYMS_ALL` names functions alone.
//!
//! VMCOREINFO gives the addresses of some variables. Others are found in the kernel's image by what no other place in it can
//! hold, and from those further ones by pointers that never change:
//!
//! | variable | known by |
//! |---|---|
//! | `init_task` | a task that is its own parent and the leader of its group, has number 0 and is called `swapper` (`init/init_task.c`) |
//! | `modules` | the only node in the image of a list of modules; a module's `mkobj.mod` points to the module (`kernel/module/sysfs.c`) |
//! | `btf_modules` | the same of a list that leads to modules and to BTF (`kernel/bpf/btf.c`) |
//! | `init_mm` | its tables are `swapper_pg_dir`, and its user namespace is the first one (`mm/init-mm.c`) |
//! | `init_nsproxy`, `init_cred`, … | what `init_task` and `init_nsproxy` point to since they were compiled |

use std::ops::ControlFlow;

use btfkit_btf::{Btf, Header};
use btfkit_vmcore::{Machine, Memory, VirtualAddress, VmcoreInfo};

use crate::image::Image;
use crate::types::member_offset;

/// Names, addresses, and `?` for a kind that is not known, as `nm` writes it.
pub(crate) type Derived = Vec<(String, u64, u8)>;

/// What variables point to from the start: name, variable, its type, member.
const POINTED_TO: [(&str, &str, &str, &str); 14] = [
    ("init_user_ns", "init_uts_ns", "uts_namespace", "user_ns"),
    ("init_signals", "init_task", "task_struct", "signal"),
    ("init_sighand", "init_task", "task_struct", "sighand"),
    ("init_cred", "init_task", "task_struct", "cred"),
    ("init_files", "init_task", "task_struct", "files"),
    ("init_fs", "init_task", "task_struct", "fs"),
    ("init_css_set", "init_task", "task_struct", "cgroups"),
    ("init_struct_pid", "init_task", "task_struct", "thread_pid"),
    ("root_task_group", "init_task", "task_struct", "sched_task_group"),
    ("init_nsproxy", "init_task", "task_struct", "nsproxy"),
    ("init_ipc_ns", "init_nsproxy", "nsproxy", "ipc_ns"),
    ("init_net", "init_nsproxy", "nsproxy", "net_ns"),
    ("init_pid_ns", "init_nsproxy", "nsproxy", "pid_ns_for_children"),
    ("init_time_ns", "init_nsproxy", "nsproxy", "time_ns"),
];

/// Places that are looked at because something might point to them. Of Debian's kernels, s390x's needs most: 300,000, if no
/// symbol tells where its text ends; arm64's 7,000, if one does.
const MOST_LOOKS: usize = 1 << 20;

/// The symbols of VMCOREINFO that are places in the image. Of a few it has what they point to instead (`mem_section`), which
/// is not.
pub(crate) fn of_vmcoreinfo(info: &VmcoreInfo, image: &Image) -> Derived {
    let inside = info.symbols().filter(|(_, address)| image.contains(*address));
    let mut found: Derived = inside.map(|(name, address)| (name.to_owned(), address.0, b'?')).collect();
    // Of two names of one place always the same comes first.
    found.sort_unstable();
    found
}

/// Adds what can be found by types. Data begins behind `text_end`.
pub(crate) fn by_types(
    memory: &Memory,
    image: &Image,
    text_end: VirtualAddress,
    btf: &Btf<'_>,
    found: &mut Derived,
) {
    let offset = |name: &str, member: &str| member_offset(btf, name, member);
    let mut search = Search { memory, image, looks_left: MOST_LOOKS };
    let point_to = |search: &mut Search<'_>, found: &mut Derived| {
        for (name, from, of, member) in POINTED_TO {
            if place(found, name).is_some() {
                continue;
            }
            let target = place(found, from)
                .zip(offset(of, member))
                .and_then(|(from, offset)| search.pointer(from.wrapping_add(offset)))
                .filter(|&target| image.contains(VirtualAddress(target)));
            found.extend(target.map(|target| (name.to_owned(), target, b'?')));
        }
    };
    point_to(&mut search, found);
    let task = Task::of(btf);
    let lists = Lists::of(btf);
    let tables = place(found, "swapper_pg_dir").zip(place(found, "init_user_ns"));
    let address_space = tables.zip(offset("mm_struct", "pgd").zip(offset("mm_struct", "user_ns")));
    let order = memory.byte_order();
    // Only on s390x the kernel has the lower addresses, too.
    let lowest = if memory.dump().machine() == Machine::S390x { 4096 } else { 1 << 63 };
    image.look_through(memory, 8, |start, piece| {
        for index in (0..piece.len().saturating_sub(15)).step_by(8) {
            let (at, word) = (start + index as u64, order.u64(piece, index));
            if at < text_end.0 || word == 0 || !word.is_multiple_of(8) {
                continue;
            }
            let mut add = |name: &str, address: u64| {
                if place(found, name).is_none() {
                    found.push((name.to_owned(), address, b'?'));
                }
            };
            if let Some(task) = &task
                && word.wrapping_add(task.parent) == at
                && task.is_first(&mut search, word)
            {
                add("init_task", word);
            }
            if let Some(((tables, user_namespace), (pgd, user))) = address_space
                && word == tables
                && search.pointer(at.wrapping_sub(pgd).wrapping_add(user)) == Some(user_namespace)
            {
                add("init_mm", at.wrapping_sub(pgd));
            }
            // A list that has its head, but none of its elements, in the image.
            let last = order.u64(piece, index + 8);
            let outside =
                |node: u64| node >= lowest && node.is_multiple_of(8) && !image.contains(VirtualAddress(node));
            if let Some(lists) = &lists
                && outside(word)
                && outside(last)
                && search.pointer(last) == Some(at)
            {
                if lists.is_module(&mut search, last.wrapping_sub(lists.module_list)) {
                    add("modules", at);
                } else if lists.is_module_with_btf(&mut search, last) {
                    add("btf_modules", at);
                }
            }
            if search.looks_left == 0 {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    point_to(&mut search, found);
}

fn place(found: &Derived, name: &str) -> Option<u64> {
    found.iter().find(|(known, ..)| known == name).map(|(_, address, _)| *address)
}

/// The memory that is looked at.
struct Search<'s> {
    memory: &'s Memory,
    image: &'s Image,
    looks_left: usize,
}

impl Search<'_> {
    fn pointer(&mut self, address: u64) -> Option<u64> {
        self.looks_left = self.looks_left.checked_sub(1)?;
        self.memory.u64(VirtualAddress(address)).ok()
    }
}

/// Offsets in bytes in `struct task_struct`.
struct Task {
    parent: u64,
    itself: [u64; 2],
    pid: u64,
    comm: u64,
}

impl Task {
    fn of(btf: &Btf<'_>) -> Option<Self> {
        let task = |member: &str| member_offset(btf, "task_struct", member);
        Some(Self {
            parent: task("real_parent")?,
            itself: [task("parent")?, task("group_leader")?],
            pid: task("pid")?,
            comm: task("comm")?,
        })
    }

    /// Whether the task at `at`, which is its own real parent, is the first one.
    fn is_first(&self, search: &mut Search<'_>, at: u64) -> bool {
        let place = |offset: u64| at.wrapping_add(offset);
        search.image.contains(VirtualAddress(at))
            && self.itself.iter().all(|&offset| search.pointer(place(offset)) == Some(at))
            && search.memory.u32(VirtualAddress(place(self.pid))).is_ok_and(|pid| pid == 0)
            && search
                .memory
                .c_string(VirtualAddress(place(self.comm)), 16)
                .is_ok_and(|name| name.starts_with(b"swapper"))
    }
}

/// Offsets in bytes of what chains modules, and their BTF.
struct Lists {
    module_list: u64,
    /// In `struct module`: a pointer to itself.
    module_itself: u64,
    btf_list: u64,
    btf_module: u64,
    btf: u64,
    btf_data: u64,
}

impl Lists {
    fn of(btf: &Btf<'_>) -> Option<Self> {
        let offset = |name: &str, member: &str| member_offset(btf, name, member);
        Some(Self {
            module_list: offset("module", "list")?,
            module_itself: offset("module", "mkobj")? + offset("module_kobject", "mod")?,
            // Without BTF of modules these are not there, and nothing is looked for.
            btf_list: offset("btf_module", "list").unwrap_or(0),
            btf_module: offset("btf_module", "module").unwrap_or(0),
            btf: offset("btf_module", "btf").unwrap_or(0),
            btf_data: offset("btf", "data").unwrap_or(0),
        })
    }

    fn is_module(&self, search: &mut Search<'_>, at: u64) -> bool {
        search.pointer(at.wrapping_add(self.module_itself)) == Some(at)
    }

    /// Whether `node` is that of a `struct btf_module`.
    fn is_module_with_btf(&self, search: &mut Search<'_>, node: u64) -> bool {
        let at = node.wrapping_sub(self.btf_list);
        let mut follow = |offset: u64| search.pointer(at.wrapping_add(offset));
        let (Some(module), Some(btf)) = (follow(self.btf_module), follow(self.btf)) else { return false };
        let is_btf =
            |data: u64| search.memory.u16(VirtualAddress(data)).is_ok_and(|magic| magic == Header::MAGIC);
        self.btf != self.btf_module
            && search.pointer(btf.wrapping_add(self.btf_data)).is_some_and(is_btf)
            && self.is_module(search, module)
    }
}
