//! Lists and trees: their elements, in their order.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

use super::Case;
use super::session::hexadecimal;

/// Expressions of ours, and Python for drgn. What a kernel lacks is left out by the oracle.
const LISTS: [(&str, &str); 9] = [
    (
        "list(init_task.tasks, struct task_struct, tasks)",
        "list_for_each_entry('struct task_struct', prog['init_task'].tasks.address_of_(), 'tasks')",
    ),
    (
        "list(modules, struct module, list)",
        "list_for_each_entry('struct module', prog['modules'].address_of_(), 'list')",
    ),
    (
        "list(super_blocks, struct super_block, s_list)",
        "list_for_each_entry('struct super_block', prog['super_blocks'].address_of_(), 's_list')",
    ),
    ("chain(file_systems, struct file_system_type, next)", "chain(prog['file_systems'], 'next')"),
    (
        "idr(init_pid_ns.idr, struct pid)",
        "(cast('struct pid *', entry) for _, entry in idr_for_each(prog['init_pid_ns'].idr.address_of_()))",
    ),
    (
        "rbtree(sysfs_root_kn->dir.children, struct kernfs_node, rb)",
        "rbtree_inorder_for_each_entry('struct kernfs_node', prog['sysfs_root_kn'].dir.children.address_of_(), 'rb')",
    ),
    (
        "hlist(init_net.dev_index_head[1], struct net_device, index_hlist)",
        "hlist_for_each_entry('struct net_device', prog['init_net'].dev_index_head[1].address_of_(), 'index_hlist')",
    ),
    (
        "maple(sparse_irqs, struct irq_desc)",
        "(cast('struct irq_desc *', entry) for _, _, entry in mt_for_each(prog['sparse_irqs'].address_of_()))",
    ),
    (
        "xarray(irq_desc_tree, struct irq_desc)",
        "(cast('struct irq_desc *', entry) for _, entry in radix_tree_for_each(prog['irq_desc_tree'].address_of_()))",
    ),
];

pub(super) fn requests() -> BTreeMap<&'static str, &'static str> {
    LISTS.into_iter().collect()
}

pub(super) fn check(case: &Case) -> Result<String> {
    let lines: Vec<String> =
        case.oracle.lists.keys().map(|expression| format!("p/x &{expression}")).collect();
    let answers = case.session().run(&lines)?;
    let mut lengths = Vec::new();
    for (expression, theirs) in &case.oracle.lists {
        let Some(values) = answers.values(&format!("&{expression}")) else {
            bail!("{expression} has no answer: {}", answers.errors.join("; "));
        };
        let ours: Vec<u64> =
            values.iter().filter_map(|value| hexadecimal(value.get("value")?.as_str()?)).collect();
        ensure!(
            ours == *theirs,
            "{expression}: {} elements, drgn has {} or others",
            ours.len(),
            theirs.len()
        );
        let name = expression.split(&['(', ',', '.', '-'][..]).nth(1).unwrap_or(expression);
        lengths.push(format!("{name} {}", ours.len()));
    }
    ensure!(lengths.len() >= 7, "only {} lists were compared", lengths.len());
    Ok(lengths.join(", "))
}
