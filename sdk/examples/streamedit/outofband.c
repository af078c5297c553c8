/*
    Out of band: what the classifyFn has cloned and blocked is edited by a thread, and injected.
*/

#include "driver.h"

#define DISCONNECTS (FWPS_STREAM_FLAG_RECEIVE_DISCONNECT | FWPS_STREAM_FLAG_SEND_DISCONNECT)
#define ABORTS (FWPS_STREAM_FLAG_RECEIVE_ABORT | FWPS_STREAM_FLAG_SEND_ABORT)

// A part of a stream, as it was shown.
typedef struct _STREAMEDIT_PART {
  LIST_ENTRY Link;
  UINT64 FlowId;
  UINT32 Flags;
  ULONG Length;
  NET_BUFFER_LIST* Clones;
} STREAMEDIT_PART, *PSTREAMEDIT_PART;

// One direction of a connection whose last bytes may be the beginning of the text. The clones that
// they came in are kept as long: what follows in the stream waits for them.
typedef struct _STREAMEDIT_STREAM {
  LIST_ENTRY Link;
  UINT64 FlowId;
  UINT32 Direction;
  ULONG Length;
  UCHAR Bytes[MAX_TEXT];
  NET_BUFFER_LIST* Clones;
} STREAMEDIT_STREAM, *PSTREAMEDIT_STREAM;

BOOLEAN StreamEditQueue(_In_ UINT64 FlowId, _In_ const FWPS_STREAM_DATA* Data) {
  PSTREAMEDIT_PART part;
  KLOCK_QUEUE_HANDLE lock;

  part = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*part), STREAMEDIT_TAG);
  if (part == NULL) {
    return FALSE;
  }
  part->FlowId = FlowId;
  part->Flags = Data->flags;
  part->Length = (ULONG)Data->dataLength;
  if (part->Length != 0 &&
      !NT_SUCCESS(FwpsCloneStreamData((FWPS_STREAM_DATA*)Data, NULL, NULL, 0, &part->Clones))) {
    ExFreePoolWithTag(part, STREAMEDIT_TAG);
    return FALSE;
  }
  KeAcquireInStackQueuedSpinLock(&gEdit.Lock, &lock);
  InsertTailList(&gEdit.Waiting, &part->Link);
  KeReleaseInStackQueuedSpinLock(&lock);
  KeSetEvent(&gEdit.Wake, IO_NO_INCREMENT, FALSE);
  return TRUE;
}

static void StreamEditDiscard(_In_opt_ NET_BUFFER_LIST* Clones) {
  if (Clones != NULL) {
    FwpsDiscardClonedStreamData(Clones, 0, FALSE);
  }
}

static UINT32 DirectionOf(_In_ UINT32 Flags) {
  return Flags & (FWPS_STREAM_FLAG_RECEIVE | FWPS_STREAM_FLAG_SEND);
}

static PSTREAMEDIT_STREAM StreamEditStream(_In_ PLIST_ENTRY Streams, _In_ PSTREAMEDIT_PART Part) {
  PSTREAMEDIT_STREAM stream;
  PLIST_ENTRY entry;

  for (entry = Streams->Flink; entry != Streams; entry = entry->Flink) {
    stream = CONTAINING_RECORD(entry, STREAMEDIT_STREAM, Link);
    if (stream->FlowId == Part->FlowId && stream->Direction == DirectionOf(Part->Flags)) {
      return stream;
    }
  }
  stream = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*stream), STREAMEDIT_TAG);
  if (stream != NULL) {
    stream->FlowId = Part->FlowId;
    stream->Direction = DirectionOf(Part->Flags);
    InsertTailList(Streams, &stream->Link);
  }
  return stream;
}

static void StreamEditForget(_In_ PSTREAMEDIT_STREAM Stream) {
  RemoveEntryList(&Stream->Link);
  StreamEditDiscard(Stream->Clones);
  ExFreePoolWithTag(Stream, STREAMEDIT_TAG);
}

static void StreamEditCopy(_In_ NET_BUFFER_LIST* Clones, _Out_ PUCHAR To) {
  NET_BUFFER_LIST* list;
  NET_BUFFER* buffer;

  for (list = Clones; list != NULL; list = NET_BUFFER_LIST_NEXT_NBL(list)) {
    for (buffer = NET_BUFFER_LIST_FIRST_NB(list); buffer != NULL;
         buffer = NET_BUFFER_NEXT_NB(buffer)) {
      ULONG length = NET_BUFFER_DATA_LENGTH(buffer);
      PUCHAR data = NdisGetDataBuffer(buffer, length, To, 1, 0);
      if (data != NULL && data != To) {
        RtlCopyMemory(To, data, length);
      }
      To += length;
    }
  }
}

// Everything but what may be the beginning of the text. FALSE: something could not be injected.
static BOOLEAN StreamEditBytes(_Inout_ PSTREAMEDIT_STREAM Stream, _In_ const UCHAR* Bytes,
                               _In_ ULONG Length) {
  ULONG partial;

  for (;;) {
    ULONG at = StreamEditFind(Bytes, Length, &gEdit.Find, &partial);
    ULONG plain = at - (at == Length ? partial : 0);
    if (!NT_SUCCESS(StreamEditInject(Stream->FlowId, Stream->Direction, Bytes, plain))) {
      return FALSE;
    }
    if (at == Length) {
      Stream->Length = partial;
      RtlCopyMemory(Stream->Bytes, Bytes + plain, partial);
      return TRUE;
    }
    if (!NT_SUCCESS(StreamEditInject(Stream->FlowId, Stream->Direction, gEdit.Replace.Text,
                                     gEdit.Replace.Length))) {
      return FALSE;
    }
    COUNT(Replaced, 1);
    Bytes += at + gEdit.Find.Length;
    Length -= at + gEdit.Find.Length;
  }
}

static void StreamEditWork(_In_ PLIST_ENTRY Streams, _In_ PSTREAMEDIT_PART Part) {
  PSTREAMEDIT_STREAM stream = StreamEditStream(Streams, Part);
  BOOLEAN done = stream != NULL;
  PUCHAR bytes;

  if (stream != NULL && Part->Length != 0) {
    bytes = ExAllocatePoolZero(NonPagedPoolNx, stream->Length + Part->Length, STREAMEDIT_TAG);
    done = bytes != NULL;
    if (done) {
      RtlCopyMemory(bytes, stream->Bytes, stream->Length);
      StreamEditCopy(Part->Clones, bytes + stream->Length);
      done = StreamEditBytes(stream, bytes, stream->Length + Part->Length);
      ExFreePoolWithTag(bytes, STREAMEDIT_TAG);
    }
    StreamEditDiscard(stream->Clones);
    stream->Clones = NULL;
    if (stream->Length != 0) {
      stream->Clones = Part->Clones;
      Part->Clones = NULL;
    }
  }
  if (done && (Part->Flags & DISCONNECTS) != 0) {
    done = NT_SUCCESS(
        StreamEditInject(stream->FlowId, stream->Direction, stream->Bytes, stream->Length));
    stream->Length = 0;
    if (done) {
      done = NT_SUCCESS(StreamEditInject(stream->FlowId, Part->Flags, NULL, 0));
    }
  }
  if (!done) {
    // Rather no connection than one with a hole. It may be over already.
    COUNT(Aborted, 1);
    FwpsFlowAbort(Part->FlowId);
  }
  if (stream != NULL && (!done || (Part->Flags & (DISCONNECTS | ABORTS)) != 0)) {
    StreamEditForget(stream);
  }
  StreamEditDiscard(Part->Clones);
  ExFreePoolWithTag(Part, STREAMEDIT_TAG);
}

VOID StreamEditThread(_In_ PVOID Context) {
  LIST_ENTRY streams;
  PSTREAMEDIT_PART part;
  PSTREAMEDIT_STREAM stream;
  KLOCK_QUEUE_HANDLE lock;
  BOOLEAN stopping;

  UNREFERENCED_PARAMETER(Context);

  InitializeListHead(&streams);
  for (;;) {
    KeAcquireInStackQueuedSpinLock(&gEdit.Lock, &lock);
    stopping = gEdit.Stopping;
    part = NULL;
    if (!IsListEmpty(&gEdit.Waiting)) {
      part = CONTAINING_RECORD(RemoveHeadList(&gEdit.Waiting), STREAMEDIT_PART, Link);
    }
    KeReleaseInStackQueuedSpinLock(&lock);
    if (part != NULL) {
      StreamEditWork(&streams, part);
    } else if (stopping) {
      break;
    } else {
      KeWaitForSingleObject(&gEdit.Wake, Executive, KernelMode, FALSE, NULL);
    }
  }
  // What may have been a text's beginning is none.
  while (!IsListEmpty(&streams)) {
    stream = CONTAINING_RECORD(streams.Flink, STREAMEDIT_STREAM, Link);
    StreamEditInject(stream->FlowId, stream->Direction, stream->Bytes, stream->Length);
    StreamEditForget(stream);
  }
  PsTerminateSystemThread(STATUS_SUCCESS);
}
