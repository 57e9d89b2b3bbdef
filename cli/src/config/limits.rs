//! The section `[limits]`: how much memory everything together may take.
use super::document::Section;
use super::values;
use metlog_schemas::budget::Budget;
use std::path::Path;

const MIB: u64 = 1 << 20;
/// Less is too little for one query beside intake.
const MEMORY_MIN: u64 = 256 * MIB;
const MEMORY_MAX: u64 = 16 << 40;
/// Of what the machine or its cgroup has, so much is ours by default, in percent.
const DEFAULT_PERCENT: u64 = 75;

/// Reads the section.
pub fn read(root: &mut Section<'_>) -> Budget {
    let mut section = root.section("limits");
    let memory = section.read("memory", values::size(MEMORY_MIN..=MEMORY_MAX));
    section.finish();
    Budget::new(memory.unwrap_or_else(|| default_bytes(Path::new("/"))))
}

/// The default on a machine whose files are below `root`.
fn default_bytes(root: &Path) -> u64 {
    let there = [cgroup_bytes(root), memory_bytes(root)].into_iter().flatten().min();
    there.map_or(MEMORY_MAX, |bytes| (bytes / 100 * DEFAULT_PERCENT).max(MEMORY_MIN))
}

/// Memory of the machine.
fn memory_bytes(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// The least limit of the cgroups that this process is in, of both versions.
fn cgroup_bytes(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mut least = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (folder, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // Within a container the path may be that outside of it, and its own group is at the top.
        let folders = Path::new(path).ancestors().map(|path| path.strip_prefix("/").unwrap_or(path));
        let limits = folders.filter_map(|path| {
            let text = std::fs::read_to_string(root.join(folder).join(path).join(file)).ok()?;
            text.trim().parse::<u64>().ok()
        });
        least = least.into_iter().chain(limits).min();
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_part_of_what_there_is() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        assert_eq!(default_bytes(root.path()), MEMORY_MAX, "where nothing is known");
        write("proc/meminfo", "MemFree:  1 kB\nMemTotal:       8388608 kB\n");
        assert_eq!(default_bytes(root.path()) >> 20, 6_143);
        write("proc/self/cgroup", "1:name=systemd:/x\n4:cpu,memory:/docker/abc\n0::/a/b\n");
        assert_eq!(default_bytes(root.path()) >> 20, 6_143);
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("sys/fs/cgroup/a/b/memory.max", "max\n");
        assert_eq!(default_bytes(root.path()) >> 20, 6_143, "no limit is none");
        write("sys/fs/cgroup/a/memory.max", "2147483648\n");
        assert_eq!(default_bytes(root.path()) >> 20, 1_535);
        write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n");
        assert_eq!(default_bytes(root.path()) >> 20, 767);
        write("sys/fs/cgroup/a/b/memory.max", "1000\n");
        assert_eq!(default_bytes(root.path()), MEMORY_MIN);
    }
}
