use super::*;
use crate::testing::conformance;

impl conformance::Backend for Memory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn interrupt_create(&self) -> BoxFuture<'_, u64> {
        async { 0 }.boxed()
    }

    fn large_creates_are_exclusive(&self) -> bool {
        true
    }

    fn large_bytes(&self) -> usize {
        1 << 20
    }
}

#[tokio::test]
async fn conformance() {
    conformance::run(|| async { Box::new(Memory::new()) as Box<dyn conformance::Backend> }).await;
}
