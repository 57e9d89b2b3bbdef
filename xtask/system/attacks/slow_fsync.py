"""A disk whose syncs take half a second, as beside a large compile. Intake must not wait for it: nothing is dropped by
the kernel at the default buffers, and nothing is lost."""
import pathlib, sys, tempfile
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import Sender, accounted, attacked, compiled, main, stored

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void wait_long(void) { struct timespec t = {0, 500000000}; nanosleep(&t, 0); }
int fsync(int fd) { wait_long(); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { wait_long(); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
int syncfs(int fd) { wait_long(); return ((int (*)(int))dlsym(RTLD_NEXT, "syncfs"))(fd); }
"""
PER_SECOND, SECONDS = 20_000, 10


def attack(binary):
    with tempfile.TemporaryDirectory(prefix="metlog-") as folder:
        library = compiled(SHIM, folder)
        assert library, "there is no C compiler"
        with attacked(binary, roll="1s", environment={"LD_PRELOAD": library}) as metlog:
            sender, count = Sender(metlog.metlog), PER_SECOND * SECONDS
            payload = b"x" * 300
            sender.send((b'{"type":"slow","payload":"%d %s"}' % (n, payload) for n in range(count)), PER_SECOND)
            ledger = accounted(metlog, count)
            assert ledger["dropped_by_kernel"] == 0, f"{ledger['dropped_by_kernel']} of {count} dropped by the kernel"
            stored(metlog, 120)
            rows = metlog.one("select count(*) from messages where type = 'slow'")
            assert rows == count, f"{rows} of {count} rows"
            return f"{count} messages at {PER_SECOND} a second, none dropped"


main(attack)
