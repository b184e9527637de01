/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry.S - where processors start, exceptions and interrupts arrive, and attempts are made
 *
 * The boot processor comes as vmm/boot/ describes: 64-bit mode, identity page tables of 1 GiB, the
 * GDT with selectors 0x10 (code) and 0x18 (data), no stack.
 */
#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18
#define GDT 0x500
#define GDT_SIZE 32
#define STACK_SIZE 65536
#define VECTORS 256
#define FIRST_INTERRUPT 32

	.text
	.globl entry
entry:
	lea	first_stack_end(%rip), %rsp
	mov	%rsi, %rdi		/* boot_params */
	call	first_main
1:	cli
	hlt
	jmp	1b

	.code64
second_entry:
	mov	$SELECTOR_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	lea	second_stack_end(%rip), %rsp
	call	second_main
1:	cli
	hlt
	jmp	1b

/* Copied to SECOND_START (processor.h): from real mode to 64-bit mode in one step. */
	.globl	second_start, second_start_end, second_start_page_table
	.code16
second_start:
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	gdt_pointer - second_start
	mov	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	second_start_page_table - second_start, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx	/* EFER */
	rdmsr
	or	$0x100, %eax		/* LME */
	wrmsr
	mov	$0x80000011, %eax	/* PG, ET, PE */
	mov	%eax, %cr0
	ljmpl	$SELECTOR_CODE, $second_entry
	.balign	4
gdt_pointer:
	.word	GDT_SIZE - 1
	.long	GDT
	.balign	4
second_start_page_table:
	.long	0
second_start_end:

	.code64
/*
 * unsigned int attempt(void (*function)(void *), void *argument): see runtime.h. The stack pointer
 * to come back with is kept in a variable: only the boot processor makes attempts.
 */
	.globl	attempt
attempt:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	pushfq
	push	recovery(%rip)
	mov	%rsp, recovery(%rip)
	mov	%rdi, %rax
	mov	%rsi, %rdi
	call	*%rax
	xor	%eax, %eax
attempt_end:
	pop	recovery(%rip)
	popfq
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	cld
	ret

/* What an exception leads to: the end of the attempt with vector + 1, or of everything. */
on_exception:
	pop	%rax			/* the vector */
	mov	recovery(%rip), %rcx
	test	%rcx, %rcx
	jz	1f
	mov	%rcx, %rsp
	inc	%eax
	jmp	attempt_end
1:	mov	%eax, %edi
	mov	8(%rsp), %rdx		/* RIP, if there is an error code, else CS */
	mov	(%rsp), %rsi		/* RIP, if there is none */
	and	$-16, %rsp
	call	on_fatal_exception

on_interrupt:
	push	%rax
	lock incq interrupts_taken(%rip)
	mov	$0xfee000b0, %eax	/* end of interrupt */
	movl	$0, (%rax)
	pop	%rax
	add	$8, %rsp		/* the vector */
	iretq

	.balign	16
	.globl	vector_stubs
vector_stubs:				/* 16 bytes each */
	.set	vector, 0
	.rept	VECTORS
	.balign	16
	pushq	$vector
	.if	vector < FIRST_INTERRUPT
	jmp	on_exception
	.else
	jmp	on_interrupt
	.endif
	.set	vector, vector + 1
	.endr

	.bss
	.balign	16
	.skip	STACK_SIZE
first_stack_end:
	.skip	STACK_SIZE
second_stack_end:
recovery:
	.quad	0
	.globl	interrupts_taken
interrupts_taken:
	.quad	0

	.section .note.GNU-stack, "", @progbits
