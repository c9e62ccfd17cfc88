/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Policies on hooks other than system calls. User space opens this object once for each program
 * that it needs and loads only that, with the constants below; the tables are those of
 * bpf/policy/policy.bpf.c.
 */
#include "kernel_types.h"
#include "../policy/policy.h"
#include "../policy/policy_slots.bpf.h"
#include "preemption.bpf.h"
#include <bpf/bpf_tracing.h>

char license_text[] SEC("license") = "Dual BSD/GPL";

/* Number of the hook. */
const volatile u32 policy_hook = 0;
/* How many arguments the context has; the verifier refuses a look behind them. */
const volatile u32 policy_hook_args = 0;
/* What is hooked returns an error, which the program may replace. */
const volatile u32 policy_hook_fails = 0;

enum policy_field_kind {
    POLICY_FIELD_NONE = 0,
    POLICY_FIELD_UNSIGNED = 1,
    POLICY_FIELD_SIGNED = 2,
    POLICY_FIELD_MEMORY = 3,   /* an array in the record; the value is its address */
    POLICY_FIELD_DATA_LOC = 4, /* a u32 in the record: offset from its begin, size above */
    POLICY_FIELD_REL_LOC = 5,  /* the same, but offset from the end of the u32 */
};

struct policy_field {
    u16 offset;
    u8 size;
    u8 kind; /* policy_field_kind */
};

/* Fields of a tracepoint's record, from its format file. */
const volatile struct policy_field policy_fields[POLICY_RAW_VALUES] = {};

enum {
    TRACED_ARGS_MAX = 12, /* MAX_BPF_FUNC_ARGS */
    ERRNO_MAX = 4095,
    /* Functions under on_functions: all hooks, and as many that nobody has any more. */
    POLICY_FUNCTIONS = 2 * POLICY_HOOKS_MAX,
};

/* ---- what all programs do ---- */

/* Begins a call, if policies of this hook concern the task: a slot with all but the arguments. */
static __always_inline struct policy_work *begin_call(u32 *id, u32 *set, u32 hook, u64 frame) {
    *set = policy_current_set();
    if (!policy_concerns(hook, *set))
        return 0;
    *id = policy_claim();
    if (*id == POLICY_NO_SLOT)
        return 0;
    struct policy_work *work = policy_slot_of(*id);
    if (!work) {
        policy_unclaim(*id);
        return 0;
    }
    work->hook = hook;
    work->call_key.thread = bpf_get_current_pid_tgid();
    work->call_key.frame = frame;
    work->call_key.hook = hook + 1;
    return work;
}

/* The end of a call that was kept. */
static __always_inline void end_call(void *ctx, u64 frame, s64 value) {
    struct policy_call_key key = {
        .thread = bpf_get_current_pid_tgid(), .frame = frame, .hook = policy_hook + 1};
    if (!bpf_map_lookup_elem(&policy_calls, &key))
        return;
    u32 id = policy_claim();
    if (id == POLICY_NO_SLOT)
        return;
    policy_on_return(ctx, id, &key, value);
    policy_unclaim(id);
}

/* Arguments of a function as its context has them, each 8 bytes. */
static __always_inline void read_context(struct policy_work *work, const u64 *ctx) {
#pragma unroll
    for (u32 i = 0; i < TRACED_ARGS_MAX; i++) {
        if (i < policy_hook_args)
            work->raw[i] = ctx[i];
    }
}

/* A call in a context of that form; the errno that it is to fail with, 0 for none. */
static __always_inline u32 on_traced_call(u64 *ctx) {
    u32 id = 0;
    u32 set = 0;
    u32 error = 0;
    hook_enter();
    struct policy_work *work = begin_call(&id, &set, policy_hook, 0);
    if (work) {
        read_context(work, ctx);
        error = policy_on_call(ctx, work, id, set);
        policy_unclaim(id);
    }
    hook_leave();
    return error;
}

/*
 * -errno, in a form whose range the verifier knows: it forgets what it knew at a negation, and
 * since 6.12 LSM programs must return 0 to -4095. 64 bits: the caller of a function takes the
 * register.
 */
static __always_inline s64 as_result(u32 error) {
    s64 result = 0;
    u64 number = bounded(error, ERRNO_MAX);
    asm volatile("%0 -= %1" : "+r"(result) : "r"(number));
    return result;
}

/* ---- functions ---- */

#if defined(__TARGET_ARCH_x86)
static __always_inline void read_registers(struct policy_work *work, const struct pt_regs *regs) {
    work->raw[0] = regs->di;
    work->raw[1] = regs->si;
    work->raw[2] = regs->dx;
    work->raw[3] = regs->cx;
    work->raw[4] = regs->r8;
    work->raw[5] = regs->r9;
}
#define STACK_POINTER(regs) ((regs)->sp)
/* The return has taken its address from the stack. */
#define STACK_POINTER_BEFORE_RETURN(regs) ((regs)->sp - 8)
#define RETURN_VALUE(regs) ((regs)->ax)
#else
static __always_inline void read_registers(struct policy_work *work, const struct pt_regs *regs) {
    const struct user_pt_regs *user = (const void *)regs;
    for (u32 i = 0; i < POLICY_RAW_ARGS; i++)
        work->raw[i] = user->regs[i];
}
#define STACK_POINTER(regs) (((const struct user_pt_regs *)(regs))->sp)
#define STACK_POINTER_BEFORE_RETURN(regs) STACK_POINTER(regs)
#define RETURN_VALUE(regs) (((const struct user_pt_regs *)(regs))->regs[0])
#endif

/* A call of a function; the errno that it is to fail with, 0 for none. */
static __always_inline u32 on_function_call(struct pt_regs *regs, u32 hook) {
    u32 id = 0;
    u32 set = 0;
    u32 error = 0;
    hook_enter();
    struct policy_work *work = begin_call(&id, &set, hook, STACK_POINTER(regs));
    if (work) {
        read_registers(work, regs);
        error = policy_on_call(regs, work, id, set);
        policy_unclaim(id);
    }
    hook_leave();
    return error;
}

/* Any function of the kernel that can be traced. */
SEC("kprobe")
int on_function(struct pt_regs *regs) {
    on_function_call(regs, policy_hook);
    return 0;
}

/*
 * A function of the kernel's list for error injection (CONFIG_BPF_KPROBE_OVERRIDE): its body does
 * not run when it is to fail, and neither does a kretprobe, so this is the end of the call too.
 */
SEC("kprobe")
int on_function_fails(struct pt_regs *regs) {
    s64 result = as_result(on_function_call(regs, policy_hook));
    if (result == 0)
        return 0;
    hook_enter();
    end_call(regs, STACK_POINTER(regs), result);
    hook_leave();
    bpf_override_return(regs, result);
    return 0;
}

/*
 * Many functions at once (5.18, CONFIG_FPROBE). The cookie of a function is its row here; in it the
 * hook + 1, 0 for none any more.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, u64);
    __uint(max_entries, POLICY_FUNCTIONS);
} policy_functions SEC(".maps");

SEC("kprobe.multi")
int on_functions(struct pt_regs *regs) {
    u32 row = bpf_get_attach_cookie(regs);
    const volatile u64 *entry = bpf_map_lookup_elem(&policy_functions, &row);
    u64 hook = entry ? *entry : 0;
    if (hook)
        on_function_call(regs, hook - 1);
    return 0;
}

SEC("kretprobe")
int on_function_end(struct pt_regs *regs) {
    hook_enter();
    end_call(regs, STACK_POINTER_BEFORE_RETURN(regs), RETURN_VALUE(regs));
    hook_leave();
    return 0;
}

/*
 * security_*() before its body, on a trampoline (5.5). What is returned other than 0 is what the
 * caller gets, and the body does not run. Needs no LSM and no boot parameter.
 */
SEC("fmod_ret")
s64 on_security(u64 *ctx) {
    return as_result(on_traced_call(ctx));
}

/* The same function's end; also when it was replaced. Its result stands behind the arguments. */
SEC("fexit")
int on_security_end(u64 *ctx) {
    s64 value = 0;
#pragma unroll
    for (u32 i = 0; i < TRACED_ARGS_MAX; i++) {
        if (i == policy_hook_args)
            value = ctx[i];
    }
    hook_enter();
    end_call(ctx, 0, value);
    hook_leave();
    return 0;
}

/* ---- where system calls fail ---- */

/*
 * on_sys_enter decides that a call is to fail; these stand at the functions that the kernel calls
 * for it, __x64_sys_*() and the like, whichever table the number was from. The thread goes from
 * there to here without a way around, so what it finds is of this call.
 */
static __always_inline s64 take_failure(void) {
    u64 thread = bpf_get_current_pid_tgid();
    const struct policy_failure *failure = bpf_map_lookup_elem(&policy_failures, &thread);
    if (!failure || failure->hook != policy_hook)
        return 0;
    u32 error = failure->error;
    bpf_map_delete_elem(&policy_failures, &thread);
    return as_result(error);
}

/*
 * 7.0, and before on kernels with CONFIG_FUNCTION_ERROR_INJECTION. A program is for one function,
 * and a call has some: they are loaded together. A spare runs when its program has returned 0, also
 * because the kernel skipped it.
 */
#define SYSCALL_PROGRAMS(number)                                                                   \
    SEC("fmod_ret")                                                                                \
    s64 on_syscall_##number(u64 *ctx) {                                                            \
        return take_failure();                                                                     \
    }                                                                                              \
    SEC("fmod_ret")                                                                                \
    s64 on_spare_##number(u64 *ctx) {                                                              \
        return take_failure();                                                                     \
    }

/* As many as SYSCALL_PROGRAMS_MAX of hook_programs.ts. */
SYSCALL_PROGRAMS(0)
SYSCALL_PROGRAMS(1)
SYSCALL_PROGRAMS(2)
SYSCALL_PROGRAMS(3)
SYSCALL_PROGRAMS(4)
SYSCALL_PROGRAMS(5)
SYSCALL_PROGRAMS(6)
SYSCALL_PROGRAMS(7)

/* CONFIG_BPF_KPROBE_OVERRIDE; this one is for all functions of the call. */
SEC("kprobe")
int on_syscall(struct pt_regs *regs) {
    s64 result = take_failure();
    if (result)
        bpf_override_return(regs, result);
    return 0;
}

/* ---- LSM ---- */

/*
 * Called by the LSM framework, where BPF is an active LSM (5.7): what is returned other than 0 is
 * the framework's answer.
 */
SEC("lsm")
s64 on_lsm(u64 *ctx) {
    u32 error = on_traced_call(ctx);
    return policy_hook_fails ? as_result(error) : 0;
}

/* ---- tracepoints ---- */

SEC("raw_tp")
int on_raw_point(u64 *ctx) {
    on_traced_call(ctx);
    return 0;
}

/* The value of a field of the record at `record`. */
static __always_inline u64 read_field(const volatile struct policy_field *field, u64 record) {
    u64 at = record + field->offset;
    u64 value = 0;
    u32 place = 0;
    switch (field->kind) {
    case POLICY_FIELD_UNSIGNED:
    case POLICY_FIELD_SIGNED:
        bpf_probe_read_kernel(&value, bounded(field->size, sizeof(value)), (const void *)at);
        if (field->kind == POLICY_FIELD_SIGNED && field->size < sizeof(value)) {
            u32 shift = (64 - field->size * 8) & 63;
            value = (u64)((s64)(value << shift) >> shift);
        }
        return value;
    case POLICY_FIELD_MEMORY:
        return at;
    case POLICY_FIELD_DATA_LOC:
        bpf_probe_read_kernel(&place, sizeof(place), (const void *)at);
        return record + (place & 0xffff);
    case POLICY_FIELD_REL_LOC:
        bpf_probe_read_kernel(&place, sizeof(place), (const void *)at);
        return at + sizeof(place) + (place & 0xffff);
    default:
        return 0;
    }
}

static __always_inline void read_field_into(struct policy_work *work, u32 index, u64 record) {
    if (index < POLICY_RAW_VALUES)
        work->raw[index] = read_field(&policy_fields[index], record);
}

/* Reads the fields that policies look at now. */
static __always_inline void read_record(struct policy_work *work, u64 record) {
    u32 hook_index = policy_hook;
    const struct policy_hook *hook = bpf_map_lookup_elem(&policy_hooks, &hook_index);
    if (!hook)
        return;
    for (u32 i = 0; i < POLICY_ARGS_MAX; i++) {
        if (hook->args[i].type == POLICY_ARG_NONE)
            continue;
        read_field_into(work, hook->args[i].index, record);
        read_field_into(work, hook->args[i].size_index, record);
    }
}

/* A tracepoint by its record, whose fields have the offsets of its format file. */
SEC("tp")
int on_point(void *ctx) {
    u32 id = 0;
    u32 set = 0;
    hook_enter();
    struct policy_work *work = begin_call(&id, &set, policy_hook, 0);
    if (work) {
        read_record(work, (u64)ctx);
        policy_on_call(ctx, work, id, set);
        policy_unclaim(id);
    }
    hook_leave();
    return 0;
}
