// TCP connections as the filter sees them: whoever owns a socket passes what comes from it and what
// goes to it through a StreamFlow, and the callouts at the ALE and STREAM layers stand in between.
// Implemented by the filter; the parts meet here because no stage includes another. Packet thread
// only.
//
//   inbound:  socket → put() → STREAM callouts → passed(), take() → the server
//   outbound: the server → put() → STREAM callouts → passed(), take() → socket
//
// Nothing is lost, doubled or reordered on the way, unless a callout wants it so.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"
#include "line/classifier.h"

namespace hookline {

enum class Admission : uint8_t {
  Pending,  // a callout has not decided yet
  Open,
  Refused,
};

class StreamFlow {
 public:
  // What callouts know it by (FWPS_METADATA_FIELD_FLOW_HANDLE).
  virtual uint64_t handle() const = 0;
  // What ALE_AUTH_RECV_ACCEPT says. While Pending nothing may be put; it changes in
  // StreamFilter::pump() only.
  virtual Admission admission() const = 0;

  // How many bytes put() takes now. 0 while a callout defers, or while nobody takes what has
  // passed: who owns the socket then stops reading it.
  virtual size_t room(Direction direction) const = 0;
  // REQUIRES: Open; bytes.size() <= room(); not finish()ed. The bytes are copied.
  virtual void put(Direction direction, Bytes bytes) = 0;
  // Nothing more will be put: the peer's FIN, or the server has said all. Once.
  virtual void finish(Direction direction) = 0;

  // What has passed and was not taken yet, in order, as far as it lies in one piece. Valid until
  // the next call of anything here.
  virtual Bytes passed(Direction direction) const = 0;
  // The server has consumed, or the socket has accepted, so many bytes of passed().
  virtual void take(Direction direction, size_t bytes) = 0;
  // Everything was taken, and the end has passed, too: no more bytes will come, in this direction.
  // Outbound: the socket is to be shut down for sending.
  virtual bool finished(Direction direction) const = 0;

  // A callout wants the connection dropped (FWPS_STREAM_ACTION_DROP_CONNECTION, FwpsFlowAbort0):
  // close() it and reset the connection.
  virtual bool must_reset() const = 0;

 protected:
  ~StreamFlow() = default;
};

class StreamFilter {
 public:
  enum class End : uint8_t {
    Closed,    // both directions are finished
    Reset,     // by the peer, by the server, or as a callout wanted
    Shutdown,  // the server stops
  };

  // A connection that was just accepted: `traffic` is inbound, protocol 6, with addresses and
  // ports. Null: there is no room for another flow (kTcpFlowsMax).
  virtual StreamFlow* open(const Traffic& traffic) = 0;
  // What callouts still have in it completes, with a status that says how it ended; its contexts
  // are taken back. The flow is gone.
  virtual void close(StreamFlow* flow, End how) = 0;
  // Once a turn: does what callouts asked for since, from whatever thread (injections, continued
  // streams, decisions). True: a flow may have changed, so that each is to be looked at.
  virtual bool pump(Now now) = 0;

 protected:
  ~StreamFilter() = default;
};

}  // namespace hookline
