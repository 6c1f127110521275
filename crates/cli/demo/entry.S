/* The third unit: what cannot be said in C. */
	.text
	.globl	_start
	.type	_start, @function
_start:
	lea	init_task(%rip), %rdi
	call	schedule
1:	jmp	1b
	.size	_start, . - _start

	.globl	switch_to
	.type	switch_to, @function
switch_to:
	mov	%rsp, (%rdi)
	mov	(%rsi), %rsp
	ret
	.size	switch_to, . - switch_to

	.globl	delay
	.type	delay, @function
delay:
	dec	%rdi
	jnz	delay
	ret
	.size	delay, . - delay

	.data
	.balign	4096
	.globl	init_top_pgt
	.type	init_top_pgt, @object
init_top_pgt:
	.fill	512, 8, 0
	.size	init_top_pgt, . - init_top_pgt

	.section .note.GNU-stack, "", @progbits
