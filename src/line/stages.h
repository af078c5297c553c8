// The line: what each stage takes and gives. Each product can be made only by its stage, from the
// product before it, so that the order of stages is a matter of types:
//
//   Frame → Admitted → Request → Proposal  → Committed → Reply → Datagram → Completion
//                              ↘ Immediate ───────────↗
//
// "No ACK before the commit" is the missing arrow from Proposal to Reply: it does not compile
// (tests/abi/stages_test.cc). Immediate is what needs no record: OFFER, NAK, INFORM's ACK.
//
// A product owns its packet. It is used up by the next stage's product, or by Endings.
#pragma once

#include <utility>

#include "base/batch.h"
#include "line/packet.h"

namespace hookline {

namespace receive {
class Receiver;
}
namespace filter {
class FilterEngine;
}
namespace wire {
class Decoder;
class Encoder;
}  // namespace wire
namespace lease {
class Engine;
}
namespace store {
class Journal;
}
namespace inject {
class Injector;
}

// Only `Stage` can make one, so only it can call what asks for one.
template <class Stage>
class PassKey {
  friend Stage;
  PassKey() = default;
};

class Product {
 public:
  Product(Product&&) noexcept = default;
  Product& operator=(Product&&) noexcept = default;

  Packet& packet() { return *handle_; }
  const Packet& packet() const { return *handle_; }
  // Gives the packet up, to Endings or to the next product.
  PacketHandle release() && { return std::move(handle_); }

 protected:
  explicit Product(PacketHandle handle) : handle_(std::move(handle)) {}
  ~Product() = default;

 private:
  PacketHandle handle_;
};

// A valid IPv4 UDP datagram for port 67 on a served interface: Packet::ingress and request() are
// set.
class Frame : public Product {
 public:
  Frame(PassKey<receive::Receiver>, PacketHandle packet) : Product(std::move(packet)) {}
};

// A frame that the filter let in.
class Admitted : public Product {
 public:
  Admitted(PassKey<filter::FilterEngine>, Frame&& frame) : Product(std::move(frame).release()) {}
};

// A well-formed message of a client: Packet::message is set.
class Request : public Product {
 public:
  Request(PassKey<wire::Decoder>, Admitted&& admitted) : Product(std::move(admitted).release()) {}
  // The engine hands back what must wait for an uncommitted proposal.
  Request(PassKey<lease::Engine>, Request&& request) : Product(std::move(request).release()) {}
  const Message& message() const { return packet().message; }
};

// A decision that needs its record on disk first: Packet::grant is set, grant.record says what.
class Proposal : public Product {
 public:
  Proposal(PassKey<lease::Engine>, Request&& request) : Product(std::move(request).release()) {}
  const Grant& grant() const { return packet().grant; }
};

// A decision without a record: grant.reply is Offer, Nak, InformAck or LeaseQuery.
class Immediate : public Product {
 public:
  Immediate(PassKey<lease::Engine>, Request&& request) : Product(std::move(request).release()) {
    const ReplyKind reply = packet().grant.reply;
    CHECK(reply == ReplyKind::Offer || reply == ReplyKind::Nak || reply == ReplyKind::InformAck ||
              reply == ReplyKind::LeaseQuery,
          "what grants a lease goes through the journal");
  }
  const Grant& grant() const { return packet().grant; }
};

// A proposal whose record is on stable storage.
class Committed : public Product {
 public:
  Committed(PassKey<store::Journal>, Proposal&& proposal)
      : Product(std::move(proposal).release()) {}
  const Grant& grant() const { return packet().grant; }
};

// The reply's bytes and destination: Packet::reply(), reply_type and destination are set.
class Reply : public Product {
 public:
  Reply(PassKey<wire::Encoder>, Committed&& committed) : Product(std::move(committed).release()) {}
  Reply(PassKey<wire::Encoder>, Immediate&& immediate) : Product(std::move(immediate).release()) {}
};

// A reply that the filter let out.
class Datagram : public Product {
 public:
  Datagram(PassKey<filter::FilterEngine>, Reply&& reply) : Product(std::move(reply).release()) {}
};

// A datagram whose injection has ended; `error` is 0 or an errno value.
class Completion : public Product {
 public:
  Completion(PassKey<inject::Injector>, Datagram&& datagram, int error)
      : Product(std::move(datagram).release()), error_(error) {}
  int error() const { return error_; }

 private:
  int error_;
};

// Where packets go that no later stage shall see. Implemented by the pipeline: counts, calls hooks,
// writes the trace, gives the slot back.
class Endings {
 public:
  virtual void drop(PacketHandle packet, Drop reason) = 0;
  // Before there is a packet.
  virtual void drop_frame(Drop reason, uint64_t count = 1) = 0;
  // Completely processed: its reply was sent, or none was due.
  virtual void complete(PacketHandle packet) = 0;

  template <class P>
  void drop(P&& product, Drop reason) {
    drop(std::forward<P>(product).release(), reason);
  }

 protected:
  ~Endings() = default;
};

}  // namespace hookline
