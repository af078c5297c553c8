#pragma once

/* Microsoft's source annotations, all as nothing. The new style (_In_) and the old one (__in),
 * IN and OUT. Only for code that is compiled by hookline-cc: the old words are identifiers inside
 * libstdc++, which hookline-cc shields (see its function shield_libstdcxx). */

#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#ifndef OPTIONAL
#define OPTIONAL
#endif

#define _In_
#define _In_opt_
#define _In_z_
#define _In_opt_z_
#define _In_reads_(size)
#define _In_reads_opt_(size)
#define _In_reads_z_(size)
#define _In_reads_bytes_(size)
#define _In_reads_bytes_opt_(size)
#define _In_count_(size)
#define _In_bytecount_(size)
#define _In_range_(low, high)
#define _Out_
#define _Out_opt_
#define _Out_z_cap_(size)
#define _Out_writes_(size)
#define _Out_writes_opt_(size)
#define _Out_writes_z_(size)
#define _Out_writes_bytes_(size)
#define _Out_writes_bytes_opt_(size)
#define _Out_writes_to_(size, count)
#define _Out_writes_to_opt_(size, count)
#define _Out_writes_bytes_to_(size, count)
#define _Out_writes_bytes_to_opt_(size, count)
#define _Out_writes_bytes_all_(size)
#define _Inout_
#define _Inout_opt_
#define _Inout_z_
#define _Inout_updates_(size)
#define _Inout_updates_opt_(size)
#define _Inout_updates_z_(size)
#define _Inout_updates_bytes_(size)
#define _Inout_updates_bytes_opt_(size)
#define _Outptr_
#define _Outptr_opt_
#define _Outptr_result_maybenull_
#define _Outptr_opt_result_maybenull_
#define _Outptr_result_bytebuffer_(size)
#define _Deref_out_
#define _COM_Outptr_
#define _Ret_maybenull_
#define _Ret_notnull_
#define _Ret_z_
#define _Success_(condition)
#define _Return_type_success_(condition)
#define _Check_return_
#define _Check_return_opt_
#define _Must_inspect_result_
#define _Use_decl_annotations_
#define _Reserved_
#define _Null_terminated_
#define _NullNull_terminated_
#define _Printf_format_string_
#define _Pre_
#define _Post_
#define _Pre_satisfies_(condition)
#define _Post_satisfies_(condition)
#define _Pre_maybenull_
#define _Pre_notnull_
#define _Post_invalid_
#define _Post_ptr_invalid_
#define _When_(condition, annotation)
#define _At_(target, annotation)
#define _Field_size_(size)
#define _Field_size_opt_(size)
#define _Field_size_bytes_(size)
#define _Field_z_
#define _Field_range_(low, high)
#define _Struct_size_bytes_(size)
#define _Acquires_lock_(lock)
#define _Releases_lock_(lock)
#define _Requires_lock_held_(lock)
#define _Requires_lock_not_held_(lock)
#define _Guarded_by_(lock)
#define _Interlocked_operand_
#define _Function_class_(name)
#define _Analysis_assume_(condition)
#define _Analysis_assume_lock_held_(lock)
#define _Analysis_assume_lock_not_held_(lock)
#define _IRQL_requires_(level)
#define _IRQL_requires_max_(level)
#define _IRQL_requires_min_(level)
#define _IRQL_requires_same_
#define _IRQL_raises_(level)
#define _IRQL_saves_
#define _IRQL_restores_
#define _Outref_
#define _Outptr_result_nullonfailure_
#define _Result_nullonfailure_
#define _Pre_valid_
#define _Post_valid_
#define _Post_maybenull_
#define _Post_notnull_
#define _Const_
#define _Notvalid_
#define _Points_to_data_
#define _Literal_
#define _Notliteral_
#define _Enum_is_bitflag_
#define _Strict_type_match_
#define _IRQL_is_cancel_
#define _IRQL_uses_cancel_
#define _Kernel_clear_do_init_
#define _Maybe_raises_SEH_exception_
#define _Raises_SEH_exception_
#define _Analysis_noreturn_
#define _Analysis_suppress_lock_checking_
#define _Deref_opt_out_
#define _Deref_opt_out_opt_
#define _Deref_out_opt_
#define _Deref_out_z_
#define _Outptr_result_z_
#define _Post_z_
#define _Pre_z_
#define _Out_writes_all_(size)
#define _Out_writes_all_opt_(size)
#define _Inout_updates_all_(size)
#define _Inout_updates_bytes_all_(size)
#define _In_reads_or_z_(size)
#define _Pre_writable_size_(size)
#define _Pre_readable_size_(size)
#define _Pre_writable_byte_size_(size)
#define _Pre_readable_byte_size_(size)
#define _Post_writable_size_(size)
#define _Post_readable_size_(size)
#define _Post_writable_byte_size_(size)
#define _Post_readable_byte_size_(size)
#define _Field_size_full_(size)
#define _Field_size_bytes_full_(size)
#define _Field_size_bytes_opt_(size)
#define _Field_size_full_opt_(size)
#define _Outptr_result_buffer_(size)
#define _Outptr_result_buffer_maybenull_(size)
#define _Outptr_result_bytebuffer_maybenull_(size)
#define _Outptr_opt_result_bytebuffer_(size)
#define _Ret_writes_(size)
#define _Ret_writes_bytes_(size)
#define _Ret_writes_maybenull_(size)
#define _Ret_writes_bytes_maybenull_(size)
#define _Out_range_(low, high)
#define _Ret_range_(low, high)
#define _Deref_out_range_(low, high)
#define _Deref_in_range_(low, high)
#define _On_failure_(condition)
#define _Acquires_exclusive_lock_(lock)
#define _Acquires_shared_lock_(lock)
#define _Releases_exclusive_lock_(lock)
#define _Releases_shared_lock_(lock)
#define _Acquires_nonreentrant_lock_(lock)
#define _Releases_nonreentrant_lock_(lock)
#define _Requires_exclusive_lock_held_(lock)
#define _Requires_shared_lock_held_(lock)
#define _Write_guarded_by_(lock)
#define _Has_lock_kind_(lock)
#define _Dispatch_type_(kind)
#define _IRQL_always_function_max_(level)
#define _IRQL_always_function_min_(level)

#define __in
#define __in_opt
#define __in_z
#define __in_ecount(size)
#define __in_ecount_opt(size)
#define __in_bcount(size)
#define __in_bcount_opt(size)
#define __out
#define __out_opt
#define __out_z
#define __out_ecount(size)
#define __out_ecount_opt(size)
#define __out_ecount_part(size, count)
#define __out_bcount(size)
#define __out_bcount_opt(size)
#define __out_bcount_part(size, count)
#define __inout
#define __inout_opt
#define __inout_z
#define __inout_ecount(size)
#define __inout_ecount_opt(size)
#define __inout_bcount(size)
#define __inout_bcount_opt(size)
#define __deref_in
#define __deref_out
#define __deref_out_opt
#define __deref_inout
#define __deref_opt_out
#define __deref_out_ecount(size)
#define __deref_out_bcount(size)
#define __checkReturn
#define __reserved
#define __success(condition)
#define __nullterminated
#define __nullnullterminated
#define __callback
#define __format_string
#define __field_ecount(size)
#define __field_bcount(size)
#define __drv_freesMem(kind)
#define __drv_aliasesMem
#define __drv_allocatesMem(kind)
#define __drv_requiresIRQL(level)
#define __drv_maxIRQL(level)
#define __drv_sameIRQL
#define __analysis_assume(condition)
#define __drv_inTry
#define __drv_notInTry
#define __drv_dispatchType(kind)
#define __drv_functionClass(kind)
#define __drv_acquiresResource(kind)
#define __drv_releasesResource(kind)
#define __drv_reportError(kind)
#define __drv_minIRQL(level)
#define __drv_raisesIRQL(level)
#define __drv_setsIRQL(level)
#define __drv_when(condition, annotation)
#define __drv_at(condition, annotation)
#define __drv_in(annotation)
#define __drv_out(annotation)
#define __drv_inout(annotation)
#define __drv_in_deref(annotation)
#define __drv_out_deref(annotation)
#define __drv_arg(annotation)
